"""Decode the frames of a file that a processor selects, and no others."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from heygen_hf.data.video.decode import decode_frames
from heygen_hf.data.video.errors import BadVideoError, ShortVideoError
from heygen_hf.data.video.properties import probe_video
from heygen_hf.data.video.source import VideoSource
from heygen_hf.processing import FrameSelection
from heygen_hf.processing.frame_sampling import BLACK_FRAME
from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor


def decode_sample(
    source: VideoSource,
    *,
    processor: "VideoProcessor",
    total_frames: int,
    frame_rate: float,
    seed: int | None = None,
    timestamps_seconds: "Sequence[float] | np.ndarray | torch.Tensor | None" = None,
) -> torch.Tensor:
    """Decode the frames that a processor selects, at its scale, not yet cropped.

    Args:
        total_frames, frame_rate: of the file, from `probe_video`. A container can have more packets than
            frames that can be shown; the selection is then made again from the true number.
        timestamps_seconds: when each frame is shown, from `probe_video`: with `target_fps`, a clip whose frame rate
            varies is then sampled by time and not by count.

    Returns:
        uint8 `(num_frames, channels, scaled height, scaled width)`

    Raises:
        BadVideoError: the file cannot be used, or is too short under `pad_policy="drop"`.
    """
    selection = processor.select_frames(total_frames, frame_rate, seed=seed, timestamps_seconds=timestamps_seconds)
    if not selection.keep:
        raise BadVideoError(too_short(total_frames, processor))
    present = sorted({index for index in selection.indices if index != BLACK_FRAME})
    try:
        clip = decode_frames(source, present, processor=processor)
    except ShortVideoError as error:
        total_frames = error.num_frames
        return decode_sample(source, processor=processor, total_frames=total_frames, frame_rate=frame_rate, seed=seed)
    position_of = {index: position for position, index in enumerate(present)} | {BLACK_FRAME: BLACK_FRAME}
    return FrameSelection(tuple(position_of[index] for index in selection.indices)).take(clip.frames)


def decode_video(source: VideoSource, *, processor: "VideoProcessor", seed: int | None = None) -> VideoClip:
    """Decode one file to the frames and the size of a processor.

    Args:
        seed: decides random frames and crops; without one they are central.

    Returns:
        uint8 `(num_frames, channels, height, width)`.

    Raises:
        BadVideoError: the file cannot be used, or is too short under `pad_policy="drop"`.
    """
    found = probe_video(source)
    frames = decode_sample(
        source,
        processor=processor,
        total_frames=found.num_frames,
        frame_rate=found.frame_rate,
        seed=seed,
        timestamps_seconds=found.timestamps_seconds,
    )
    return VideoClip(frames=processor.crop(frames, seed=seed), frame_rate=found.frame_rate)


def too_short(num_frames: int, processor: "VideoProcessor") -> str:
    """The reason for leaving a clip out under `pad_policy="drop"`."""
    return f"too short: {num_frames} frames, {processor.num_frames} wanted, and pad_policy is 'drop'"
