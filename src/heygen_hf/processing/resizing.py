"""Scale and crop uint8 frames with torch alone (torchvision is not needed anywhere in this package)."""

from typing import Literal

import torch
import torch.nn.functional as F

ResizeMode = Literal["cover", "contain", "stretch", "none"]
Interpolation = Literal["bilinear", "bicubic", "area", "nearest"]

_FRAMES_AT_ONCE = 16  # bounds the memory of the float copy: 16 frames of 1920x1080 are 400 MB


def scaled_size(
    source_height: int, source_width: int, *, height: int, width: int, resize_mode: ResizeMode
) -> tuple[int, int]:
    """The `(height, width)` to scale to, before anything is cropped away or padded."""
    if resize_mode == "none":
        return source_height, source_width
    if resize_mode == "stretch":
        return height, width
    ratios = (height / source_height, width / source_width)
    if resize_mode == "cover":
        ratio = max(ratios)
        return max(height, round(source_height * ratio)), max(width, round(source_width * ratio))
    ratio = min(ratios)
    return (
        min(height, max(1, round(source_height * ratio))),
        min(width, max(1, round(source_width * ratio))),
    )


def scale_frames(
    frames: torch.Tensor, *, height: int, width: int, interpolation: Interpolation = "bilinear"
) -> torch.Tensor:
    """Scale to exactly `height` x `width`; the very same tensor where that is its size already.

    Args:
        frames: uint8 `(frames, channels, source height, source width)`.

    Returns:
        uint8 `(frames, channels, height, width)`; bilinear and bicubic are antialiased.
    """
    if frames.shape[-2:] == (height, width):
        return frames
    if interpolation == "nearest":
        return F.interpolate(frames, size=(height, width), mode="nearest-exact")
    antialias = interpolation in ("bilinear", "bicubic")
    chunks = []
    for chunk in frames.split(_FRAMES_AT_ONCE):
        scaled = F.interpolate(chunk.float(), size=(height, width), mode=interpolation, antialias=antialias)
        chunks.append(scaled.round_().clamp_(0, 255).to(torch.uint8))  # bicubic overshoots
    return torch.cat(chunks)


def crop_frames(frames: torch.Tensor, *, height: int, width: int, top: int, left: int) -> torch.Tensor:
    """The window at `(top, left)`, the same for every frame."""
    return frames[..., top : top + height, left : left + width]


def pad_frames(frames: torch.Tensor, *, height: int, width: int) -> torch.Tensor:
    """Black bars around the frames, which end up in the middle; the odd row or column goes below or right."""
    missing_rows, missing_columns = height - frames.shape[-2], width - frames.shape[-1]
    if missing_rows == 0 and missing_columns == 0:
        return frames
    top, left = missing_rows // 2, missing_columns // 2
    return F.pad(frames, (left, missing_columns - left, top, missing_rows - top))
