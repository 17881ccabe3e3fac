"""Clips that control the videos of a published generator, in the forms in which people hold them."""

import copy
from collections.abc import Sequence
from typing import Any

import torch

from heygen_hf.pipelines.given_inputs import read_clip_pixels
from heygen_hf.processing import VideoProcessor


def read_control(value: Any, processor: VideoProcessor, *, num_frames: int, height: int, width: int) -> torch.Tensor:
    """`(num_frames, channels, height, width)` in [0, 1]; what has that size already loses nothing.

    Args:
        value: a tensor `(frames, channels, height, width)`, an array `(frames, height, width, channels)`, uint8 or in
            [0, 1], or a list of pictures. Of a longer clip the first frames are used.

    Raises:
        ValueError: another kind, or a clip with too few frames.
    """
    frames = read_clip_pixels(value)
    if len(frames) < num_frames:
        raise ValueError(
            f"the clip that controls has {len(frames)} frames and the video {num_frames}: give one of as many, or set "
            "num_frames"
        )
    frames = frames[:num_frames]
    if frames.shape[-2:] != (height, width):
        if frames.is_floating_point():
            frames = (frames * 255).round().clamp(0, 255).to(torch.uint8)
        sized = copy.copy(processor)
        sized.height, sized.width = height, width
        frames = sized.resize_and_crop(frames.contiguous())
    return frames.float() / 255 if frames.dtype == torch.uint8 else frames.clamp(0, 1)


def one_for_each(value: torch.Tensor | Sequence[Any], count: int) -> list[Any]:
    """The clips of so many prompts.

    Raises:
        ValueError: there are more, or fewer.
    """
    clips = [value] if hasattr(value, "ndim") and value.ndim == 4 else list(value)
    if len(clips) != count:
        raise ValueError(f"{len(clips)} clips that control were given for {count} prompts; give one each")
    return clips
