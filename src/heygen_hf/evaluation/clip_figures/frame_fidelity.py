"""PSNR and SSIM of clips, the mean over their frames. The range is given: of another range they are other figures."""

import torch

from heygen_hf.evaluation.reconstruction import HIGHEST_PSNR, structural_similarity


def frame_psnr(clips: torch.Tensor, references: torch.Tensor, *, data_range: float) -> torch.Tensor:
    """Peak signal-to-noise ratio in dB: of each frame, then the mean over frames.

    Not the ratio of the whole clip's error, which one bad frame pulls down further (`clip_psnr`).

    Args:
        clips, references: `(batch, frames, channels, height, width)`.
        data_range: the highest pixel less the lowest: 1 of [0, 1], 2 of [-1, 1], 255 of uint8.

    Returns:
        float64 `(batch,)`; a frame that is given back exactly counts as 100.

    Raises:
        ValueError: the shapes differ, or the range is not above 0.
    """
    first, second = _in_ranges(clips, references, data_range)
    error = (first - second).square().flatten(2).mean(2)
    return (-10 * error.clamp(min=10 ** (-HIGHEST_PSNR / 10)).log10()).mean(1)


def frame_ssim(clips: torch.Tensor, references: torch.Tensor, *, data_range: float) -> torch.Tensor:
    """Structural similarity: the mean over frames, channels and windows of 11x11 pixels (σ 1.5), as published.

    Pixels are taken as they are: the same clips in [0, 1] with range 1 and in [-1, 1] with range 2 give different
    figures, so say which. The metrics of this package measure in [0, 1].

    Returns:
        float64 `(batch,)` in [-1, 1].

    Raises:
        ValueError: the shapes differ, or the range is not above 0.
    """
    first, second = _in_ranges(clips, references, data_range)
    return structural_similarity(first, second)


def _in_ranges(clips: torch.Tensor, references: torch.Tensor, data_range: float) -> tuple[torch.Tensor, torch.Tensor]:
    if not data_range > 0:
        raise ValueError(f"data_range={data_range} must be above 0: 1 of pixels in [0, 1], 2 of [-1, 1], 255 of uint8")
    if clips.shape != references.shape or clips.ndim != 5:
        raise ValueError(
            f"clips have shape {tuple(clips.shape)} and references {tuple(references.shape)}; expected (batch, frames, "
            "channels, height, width), the same for both"
        )
    return clips.detach().double() / data_range, references.detach().double() / data_range
