"""Flicker and smoothness, as VBench defines them, of clips in [0, 1]."""

from collections.abc import Callable

import torch

Interpolator = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Frames `(batch, channels, height, width)` before and after, to the frame between them."""


def flicker_of_clips(clips: torch.Tensor) -> torch.Tensor:
    """1 less the mean absolute difference between neighbouring frames, of pixels in [0, 1]: VBench's `(255 - mean
    absolute difference) / 255`. 1 is no flicker; it is meant for clips that should stand still, and motion lowers it.

    Args:
        clips: `(batch, frames, channels, height, width)` in [0, 1], 2 frames or more.

    Returns:
        float64 `(batch,)` in [0, 1].

    Huang et al. 2024, arXiv:2311.17982.
    """
    _check_frames(clips, 2, "temporal_flicker")
    return 1 - (clips[:, 1:].double() - clips[:, :-1].double()).abs().flatten(1).mean(1)


def mean_of_neighbours(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
    """The simplest interpolator: half of each. Things that move further than their size come out twice."""
    return (before + after) / 2


def motion_smoothness_of_clips(clips: torch.Tensor, *, interpolate: Interpolator = mean_of_neighbours) -> torch.Tensor:
    """1 less the mean absolute error of every second frame, made anew from its neighbours.

    VBench's definition; VBench interpolates by a network (AMT-S), and with another interpolator the figures are
    others. Where the number of frames is even, the last has one neighbour only and is left out.

    Args:
        clips: `(batch, frames, channels, height, width)` in [0, 1], 3 frames or more.
        interpolate: makes the frame between two.

    Returns:
        float64 `(batch,)` in [0, 1].
    """
    _check_frames(clips, 3, "motion_smoothness")
    kept = clips[:, ::2]
    between = clips[:, 1 : 2 * kept.shape[1] - 2 : 2]
    made = interpolate(kept[:, :-1].flatten(0, 1), kept[:, 1:].flatten(0, 1)).unflatten(0, between.shape[:2])
    return 1 - (made.double() - between.double()).abs().flatten(1).mean(1)


def _check_frames(clips: torch.Tensor, least: int, name: str) -> None:
    if clips.ndim != 5 or clips.shape[1] < least:
        raise ValueError(
            f"{name}: clips have shape {tuple(clips.shape)}; expected (batch, frames, channels, height, width) with at "
            f"least {least} frames"
        )
