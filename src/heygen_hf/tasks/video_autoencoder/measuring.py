"""How well an autoencoder gives back clips it never saw, beside simply shrinking them to as many values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

import torch
from torch.nn import functional as F

from heygen_hf.data import VideoTextCollator
from heygen_hf.evaluation import clip_psnr, clip_ssim, mean_with_interval
from heygen_hf.hub import MetricResult
from heygen_hf.processing import VideoProcessor
from heygen_hf.training.autoencoder.geometry import LatentSize


@dataclass(frozen=True)
class ClipBatches:
    """Clips of a data set as batches `(batch, frames, channels, height, width)` in [-1, 1], in order, over and over.

    Attributes:
        clips: map-style.
        rows: which of them.
    """

    clips: Any
    processor: VideoProcessor
    rows: Sequence[int]
    batch_size: int
    device: torch.device

    def __iter__(self) -> Iterator[torch.Tensor]:
        collate = VideoTextCollator(self.processor)
        for start in range(0, len(self.rows), self.batch_size):
            items = [self.clips[row] for row in self.rows[start : start + self.batch_size]]
            yield collate(items)["pixel_values"].to(self.device)


def clip_batches(
    clips: Any, *, processor: VideoProcessor, most: int | None, batch_size: int, device: torch.device
) -> ClipBatches:
    """At most so many clips, evenly spread."""
    total = len(clips)
    count = total if most is None else min(most, total)
    return ClipBatches(clips, processor, [i * total // count for i in range(count)], batch_size, device)


@torch.no_grad()
def reconstruct(autoencoder: Any, clips: torch.Tensor) -> torch.Tensor:
    """Clips `(batch, frames, channels, height, width)` from the posterior's mean, clamped to [-1, 1]."""
    from heygen_hf.training.autoencoder.reconstruction import ReconstructingAutoencoder

    return ReconstructingAutoencoder(autoencoder)(clips)[0].float().clamp(-1, 1)


def measure(autoencoder: Any, batches: ClipBatches, *, size: LatentSize) -> list[MetricResult]:
    """PSNR and SSIM of test clips, with those of shrunken frames beside them; and the compression."""
    autoencoder.eval()
    found: dict[str, list[torch.Tensor]] = {"psnr": [], "ssim": [], "shrunk_psnr": [], "shrunk_ssim": []}
    for clips in batches:
        for prefix, ours in (("", reconstruct(autoencoder, clips)), ("shrunk_", shrink(clips, size=size))):
            found[f"{prefix}psnr"].append(clip_psnr(ours, clips).cpu())
            found[f"{prefix}ssim"].append(clip_ssim(ours, clips).cpu())
    values = {name: torch.cat(some) for name, some in found.items()}
    least = values["psnr"].min().item()
    ratio = f"{prod(size.clip):,} values to {prod(size.latents):,}"
    return [
        _figure("PSNR", values["psnr"], unit="dB", note=f"the worst clip: {least:.2f} dB"),
        _figure("SSIM", values["ssim"]),
        MetricResult(
            name="compression", value=size.compression_ratio, unit="times", metric_type="compression", note=ratio
        ),
        _figure("PSNR of shrunken frames", values["shrunk_psnr"], unit="dB", note=_SHRUNK),
        _figure("SSIM of shrunken frames", values["shrunk_ssim"], note=_SHRUNK),
    ]


_SHRUNK = "frames shrunk to no more values and enlarged again, for comparison"


def shrink(clips: torch.Tensor, *, size: LatentSize) -> torch.Tensor:
    """Every frame brought to a square of about as many values as the latents have, and back, bicubically."""
    batch, frames, channels, height, width = clips.shape
    area = max(1, prod(size.latents) // (frames * channels))
    small_height = max(1, min(height, isqrt(max(1, area * height // width))))
    small = (small_height, max(1, min(width, area // small_height)))
    images = F.interpolate(clips.flatten(0, 1).float(), size=small, mode="bicubic", antialias=True)
    images = F.interpolate(images, size=(height, width), mode="bicubic")
    return images.unflatten(0, (batch, frames)).clamp(-1, 1)


def _figure(name: str, values: torch.Tensor, *, unit: str = "", note: str | None = None) -> MetricResult:
    found = mean_with_interval(values)
    return MetricResult(
        name=name,
        value=found.value,
        count=found.count,
        interval=found.interval,
        unit=unit,
        metric_type=name.split()[0].lower(),
        note=note,
    )
