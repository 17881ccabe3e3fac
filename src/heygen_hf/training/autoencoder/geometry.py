"""Which clips an autoencoder takes, and what it makes of them: found out with shapes alone, on no device."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import nn

from heygen_hf.pipelines.latents import encode_to_posterior, is_image_autoencoder
from heygen_hf.training.autoencoder.reconstruction import decode

_FARTHEST_FRAMES, _FARTHEST_PIXELS = 16, 64
_LARGE = 256  # pixels that every autoencoder in use divides


@dataclass(frozen=True)
class LatentSize:
    """What a clip becomes.

    Attributes:
        clip: `(frames, channels, height, width)` in pixels.
        latents: the same in latents.
    """

    clip: tuple[int, int, int, int]
    latents: tuple[int, int, int, int]

    @property
    def compression_ratio(self) -> float:
        """Values of the clip for each value of its latents."""
        return prod(self.clip) / prod(self.latents)


def latent_size(autoencoder: nn.Module, *, num_frames: int, height: int, width: int) -> LatentSize:
    """The size of a clip's latents.

    Raises:
        ValueError: the autoencoder does not give back a clip of this size; names the nearest sizes that it does.
    """
    shadow = _without_weights(autoencoder)
    found = _round_trip(shadow, num_frames, height, width)
    if found is not None:
        return found
    name = type(autoencoder).__name__
    if not _fits(shadow, num_frames, _LARGE, _LARGE):
        frames = _nearest(num_frames, _FARTHEST_FRAMES, lambda n: _fits(shadow, n, _LARGE, _LARGE))
        step = frames[-1] - frames[0] if frames else 0
        rule = f" takes {step}n + 1 frames" if step > 1 and (frames[0] - 1) % step == 0 else " takes others"
        nearest = f"; the nearest are {' and '.join(map(str, frames))}" if frames else ""
        raise ValueError(f"num_frames={num_frames} does not fit: {name}{rule}{nearest}.")
    sides = _nearest(height, _FARTHEST_PIXELS, lambda n: _fits(shadow, num_frames, n, n))
    nearest = f"; the nearest squares are {' and '.join(map(str, sides))}" if sides else ""
    raise ValueError(
        f"clips of {num_frames} frames of {height}x{width} do not fit: {name} gives other sizes back{nearest}."
    )


def _fits(shadow: nn.Module, num_frames: int, height: int, width: int) -> bool:
    return _round_trip(shadow, num_frames, height, width) is not None


def _nearest(asked: int, farthest: int, fits: Callable[[int], bool]) -> list[int]:
    """The next lower and the next higher that fit, as far as they are near."""
    below = next((n for n in range(asked - 1, max(1, asked - farthest) - 1, -1) if fits(n)), None)
    above = next((n for n in range(asked + 1, asked + farthest + 1) if fits(n)), None)
    return [n for n in (below, above) if n is not None]


def _without_weights(autoencoder: Any) -> Any:
    with torch.device("meta"):
        return type(autoencoder).from_config(autoencoder.config).eval()


@torch.no_grad()
def _round_trip(shadow: nn.Module, num_frames: int, height: int, width: int) -> LatentSize | None:
    """None where another size comes back, frames are dropped on the way, or nothing does."""
    channels = int(getattr(shadow.config, "in_channels", 3))
    patch = getattr(shadow.config, "patch_size", None)
    if type(shadow).__name__ == "AutoencoderKLWan" and patch:
        channels //= patch**2  # its in_channels are those of a patch
    compression = _temporal_compression(shadow)
    if compression > 1 and (num_frames - 1) % compression:
        return None  # CogVideoX takes 8 frames too, and gives 8 back: latents of another meaning than those of 9
    try:
        mean, _ = encode_to_posterior(shadow, torch.empty(1, num_frames, channels, height, width, device="meta"))
        clip = decode(shadow, mean)
    except (RuntimeError, ValueError, IndexError, AssertionError):
        return None
    if tuple(clip.shape[1:]) != (num_frames, channels, height, width):
        return None
    frames, latent_channels, latent_height, latent_width = mean.shape[1:]
    return LatentSize(
        clip=(num_frames, channels, height, width), latents=(frames, latent_channels, latent_height, latent_width)
    )


def _temporal_compression(shadow: Any) -> int:
    """Frames to a latent, after the first frame, which most compress by itself."""
    if is_image_autoencoder(shadow):
        return 1
    if hasattr(shadow.config, "temperal_downsample"):  # Wan's own spelling
        return 2 ** sum(map(bool, shadow.config.temperal_downsample))
    ratio = vars(shadow).get("temporal_compression_ratio") or shadow.config.get("temporal_compression_ratio", 1)
    return int(ratio)
