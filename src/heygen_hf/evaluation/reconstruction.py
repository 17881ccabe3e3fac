"""How well clips are given back: PSNR and SSIM of each clip, and the mean over clips with its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

import torch
from torch.nn import functional as F

HIGHEST_PSNR = 100.0
"""In dB; of a clip that is given back exactly, whose PSNR has no bound."""

_WINDOW, _SIGMA = 11, 1.5  # of SSIM, as published


@dataclass(frozen=True)
class MeanWithInterval:
    """A mean over clips.

    Attributes:
        value: the mean; nan of no clips.
        count: of clips.
        interval: in which the mean of more such clips lies with the stated confidence; None for fewer than two.
    """

    value: float
    count: int
    interval: tuple[float, float] | None


def clip_psnr(
    reconstruction: torch.Tensor, target: torch.Tensor, *, value_range: tuple[float, float] = (-1.0, 1.0)
) -> torch.Tensor:
    """Peak signal-to-noise ratio of each clip in dB: `-10 log10` of the mean squared error of pixels in [0, 1].

    Args:
        reconstruction, target: `(batch, frames, channels, height, width)`; the first is clamped to the range.
        value_range: the lowest and the highest pixel.

    Returns:
        `(batch,)`, at most `HIGHEST_PSNR`.

    Raises:
        ValueError: the shapes differ.

    Example:
    ```python
    >>> target = torch.zeros(1, 2, 3, 8, 8)
    >>> clip_psnr(target + 0.2, target)  # a tenth of the range
    tensor([20.])
    ```
    """
    ours, wanted = _in_unit_range(reconstruction, target, value_range)
    error = (ours - wanted).square().flatten(1).mean(1)
    return (-10 * error.clamp(min=10 ** (-HIGHEST_PSNR / 10)).log10()).float()


def clip_ssim(
    reconstruction: torch.Tensor, target: torch.Tensor, *, value_range: tuple[float, float] = (-1.0, 1.0)
) -> torch.Tensor:
    """Structural similarity of each clip: the mean over its frames, colour channels and windows.

    Gaussian windows of 11×11 pixels and σ 1.5, inside the frame only, K1 = 0.01, K2 = 0.03, as published; frames
    smaller than a window take one of their own size.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.

    Returns:
        `(batch,)` in [-1, 1].

    Raises:
        ValueError: the shapes differ.
    """
    return structural_similarity(*_in_unit_range(reconstruction, target, value_range)).float()


def structural_similarity(clips: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """SSIM of each clip for pixels whose range is 1, taken as they are; the arithmetic of `clip_ssim`.

    Args:
        clips, references: double precision `(batch, frames, channels, height, width)`.

    Returns:
        float64 `(batch,)`.
    """
    a, b = (clip.flatten(0, 2)[:, None] for clip in (clips, references))
    rows, columns = (_gaussian(min(_WINDOW, size), like=a) for size in a.shape[-2:])

    def local_mean(images: torch.Tensor) -> torch.Tensor:
        return F.conv2d(F.conv2d(images, rows[None, None, :, None]), columns[None, None, None, :])

    mean_a, mean_b = local_mean(a), local_mean(b)
    var_a, var_b = local_mean(a * a) - mean_a.square(), local_mean(b * b) - mean_b.square()
    covariance = local_mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_a.square() + mean_b.square() + c1) * (var_a + var_b + c2))
    return similarity.reshape(len(clips), -1).mean(1)


def mean_with_interval(values: Sequence[float] | torch.Tensor, *, confidence: float = 0.95) -> MeanWithInterval:
    """The mean of one figure a clip, with Student's interval.

    Args:
        confidence: share of such intervals that hold the true mean, in (0, 1).

    Raises:
        ValueError: the confidence is out of its range.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be in (0, 1), such as 0.95.")
    numbers = [float(value) for value in values]
    count = len(numbers)
    if count < 2:
        return MeanWithInterval(numbers[0] if numbers else math.nan, count, None)
    mean = fmean(numbers)
    half = _student_quantile(0.5 + confidence / 2, count - 1) * stdev(numbers) / math.sqrt(count)
    return MeanWithInterval(mean, count, (mean - half, mean + half))


def _student_quantile(probability: float, degrees: int) -> float:
    """Of Student's distribution: exact to 2 degrees of freedom, else to 1 % (Abramowitz & Stegun 26.7.5)."""
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        twice = 2 * probability - 1
        return twice * math.sqrt(2 / (1 - twice * twice))
    z = NormalDist().inv_cdf(probability)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    )


def _in_unit_range(
    reconstruction: torch.Tensor, target: torch.Tensor, value_range: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both in [0, 1] and double precision: differences of squares cancel."""
    if reconstruction.shape != target.shape or target.ndim != 5:
        raise ValueError(
            f"reconstruction of shape {tuple(reconstruction.shape)} and target of shape {tuple(target.shape)} given: "
            "expected (batch, frames, channels, height, width), the same for both."
        )
    low, high = value_range
    ours, wanted = ((clip.detach().double() - low) / (high - low) for clip in (reconstruction, target))
    return ours.clamp(0, 1), wanted


def _gaussian(size: int, *, like: torch.Tensor) -> torch.Tensor:
    places = torch.arange(size, dtype=like.dtype, device=like.device) - (size - 1) / 2
    weights = (-places.square() / (2 * _SIGMA**2)).exp()
    return weights / weights.sum()
