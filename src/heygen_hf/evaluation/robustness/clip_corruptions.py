"""Clips as bad cameras, bad lenses and bad connections show them, at three severities.

After Hendrycks and Dietterich 2019, arXiv:1903.12261, with sizes relative to the clip, so that small and large clips
suffer alike.
"""

import hashlib
import io
from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

SEVERITIES = (1, 2, 3)

_NOISE_DEVIATION = (0.06, 0.12, 0.24)  # of pixels in [0, 1]
_BLUR_SHARE = (0.01, 0.02, 0.04)  # deviation of the Gaussian, of the shorter edge
_JPEG_QUALITY = (50, 20, 8)
_DROPPED_SHARE = (0.125, 0.25, 0.5)  # of frames; the one before stands still instead
_BRIGHTER = (0.1, 0.2, 0.4)  # added to pixels in [0, 1]


def corrupt_clip(clip: torch.Tensor, kind: str, severity: int, *, seed: int = 0) -> torch.Tensor:
    """A clip, worse.

    What is random depends on the seed and the clip's own pixels: the same clip suffers the same in any order.

    Args:
        clip: `(frames, channels, height, width)`, uint8 or floating point in [0, 1]; with 1 or 3 channels.
        kind: of `CLIP_CORRUPTIONS`.
        severity: 1, 2 or 3.

    Returns:
        The same shape and type.

    Raises:
        ValueError: an unknown kind or severity, or a clip of another shape.
    """
    if kind not in CLIP_CORRUPTIONS:
        raise ValueError(f"there is no corruption {kind!r}; known are {', '.join(CLIP_CORRUPTIONS)}")
    if severity not in SEVERITIES:
        raise ValueError(f"severity is {severity}; expected 1, 2 or 3")
    if clip.ndim != 4 or clip.shape[1] not in (1, 3):
        raise ValueError(
            f"clip has shape {tuple(clip.shape)}; expected (frames, channels, height, width) with 1 or 3 channels"
        )
    is_bytes = clip.dtype == torch.uint8
    pixels = clip.float() / 255 if is_bytes else clip.float()
    generator = torch.Generator().manual_seed(_seed_of(clip, kind, seed))
    worse = CLIP_CORRUPTIONS[kind](pixels, severity - 1, generator).clamp(0, 1)
    return (worse * 255).round().to(torch.uint8) if is_bytes else worse.to(clip.dtype)


def _seed_of(clip: torch.Tensor, kind: str, seed: int) -> int:
    # in 256 steps, so that rounding on the way (bfloat16, normalisation and back) makes no other noise
    steps = clip if clip.dtype == torch.uint8 else (clip.float() * 255).round().clamp(0, 255).to(torch.uint8)
    digest = hashlib.blake2b(f"{seed} {kind}".encode(), digest_size=7)
    digest.update(steps.contiguous().cpu().numpy().data)
    return int.from_bytes(digest.digest(), "big")


def _noise(pixels: torch.Tensor, level: int, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn(pixels.shape, generator=generator).to(pixels.device)
    return pixels + _NOISE_DEVIATION[level] * noise


def _blur(pixels: torch.Tensor, level: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    deviation = _BLUR_SHARE[level] * min(pixels.shape[-2:])
    radius = max(1, round(3 * deviation))
    places = torch.arange(-radius, radius + 1, dtype=torch.float32, device=pixels.device)
    weights = torch.exp(-0.5 * (places / deviation).square())
    weights = weights / weights.sum()
    channels = pixels.shape[1]
    padded = F.pad(pixels, (radius,) * 4, mode="replicate")
    across = F.conv2d(padded, weights.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(across, weights[:, None].expand(channels, 1, -1, 1), groups=channels)


def _jpeg(pixels: torch.Tensor, level: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    from PIL import Image

    frames = []
    for frame in (pixels * 255).round().clamp(0, 255).to(torch.uint8).cpu():
        picture = Image.fromarray(frame.permute(1, 2, 0).squeeze(-1).contiguous().numpy())
        file = io.BytesIO()
        picture.save(file, format="JPEG", quality=_JPEG_QUALITY[level])
        with Image.open(file) as opened:
            found = torch.from_numpy(np.array(opened))
        frames.append(found[None] if found.ndim == 2 else found.permute(2, 0, 1))
    return torch.stack(frames).to(pixels.device).float() / 255


def _frame_drops(pixels: torch.Tensor, level: int, generator: torch.Generator) -> torch.Tensor:
    droppable = len(pixels) - 1  # before the first there is none to stand still
    if droppable < 1:
        return pixels
    count = min(droppable, max(1, round(_DROPPED_SHARE[level] * len(pixels))))
    dropped = set((torch.randperm(droppable, generator=generator)[:count] + 1).tolist())
    shown = 0
    rows = []
    for frame in range(len(pixels)):
        shown = shown if frame in dropped else frame
        rows.append(shown)
    return pixels[rows]


def _brightness(pixels: torch.Tensor, level: int, generator: torch.Generator) -> torch.Tensor:  # noqa: ARG001
    return pixels + _BRIGHTER[level]


CLIP_CORRUPTIONS: dict[str, Callable[[torch.Tensor, int, torch.Generator], torch.Tensor]] = {
    "noise": _noise,
    "blur": _blur,
    "jpeg": _jpeg,
    "frame_drops": _frame_drops,
    "brightness": _brightness,
}
"""Kind → what it does to pixels in [0, 1] at level 0, 1 or 2."""
