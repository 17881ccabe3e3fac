"""Clips of faces as numbers, whatever they come as."""

import numpy as np
import torch

Frames = torch.Tensor | np.ndarray

_SLACK = 0.05  # how far beyond [0, 1] floating point pixels may be: what a sampler leaves


def as_levels(frames: Frames) -> np.ndarray:
    """float64 `(frames, channels, height, width)` in 0 to 255, of square frames.

    Raises:
        ValueError: another shape, or floating point pixels outside [0, 1].
    """
    pixels = frames.detach().cpu() if isinstance(frames, torch.Tensor) else frames
    if isinstance(pixels, torch.Tensor) and pixels.dtype == torch.bfloat16:
        pixels = pixels.float()
    pixels = np.asarray(pixels)
    if pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[0] == 0 or pixels.shape[2] != pixels.shape[3]:
        raise ValueError(f"frames has shape {pixels.shape}; expected (frames, 3, height, width) with square frames")
    if pixels.dtype == np.uint8:
        return pixels.astype(np.float64)
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ValueError(f"frames is {pixels.dtype}; expected uint8, or floating point in [0, 1]")
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # NaN is refused too
        raise ValueError(f"frames has pixels from {low:.3g} to {high:.3g}; expected [0, 1], or uint8")
    return np.clip(pixels.astype(np.float64), 0, 1) * 255


def region(size: int, *, left: float, right: float, top: float, bottom: float) -> tuple[slice, slice]:
    """Rows and columns of a rectangle given in 64ths of the frame."""
    scale = size / 64
    return (
        slice(round(top * scale), max(round(bottom * scale), round(top * scale) + 1)),
        slice(round(left * scale), max(round(right * scale), round(left * scale) + 1)),
    )
