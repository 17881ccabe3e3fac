"""Decode one file for the frame store: everything of it that training could ask for, at the size it will
have."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heygen_hf.data.video.decode import BadVideoError, ClipTooLargeError, decode_frames, probe_video
from heygen_hf.data.video.sampling import decode_sample

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

_FORMAT_VERSION = 1  # raise it when the same settings give other pixels


@dataclass(frozen=True)
class DecodedClip:
    """A file's frames, or why there are none.

    Attributes:
        frames: uint8 `(frames, channels, height, width)`; None where the clip is too long to be held, or bad.
        total_frames: frames of the file, as far as they were read.
        problem: why the file cannot be used.
    """

    frames: np.ndarray | None = None
    total_frames: int = 0
    frame_rate: float = 1.0
    problem: str | None = None


def is_stored_whole(processor: "VideoProcessor") -> bool:
    """Whether all frames are kept, because which of them are drawn changes from epoch to epoch."""
    return processor.frame_position == "random"


def is_stored_cropped(processor: "VideoProcessor") -> bool:
    """Whether frames are kept at their final size; a random crop is still to be made otherwise."""
    return processor.crop_position == "center"


def store_settings(processor: "VideoProcessor") -> dict[str, Any]:
    """What the pixels in a store depend on, besides the files."""
    import av

    names = ["height", "width", "resize_mode", "interpolation", "crop_position"]
    if not is_stored_whole(processor):
        names += ["num_frames", "temporal_stride", "target_fps", "pad_policy"]
    fields = {name: getattr(processor, name) for name in names}
    position = "random" if is_stored_whole(processor) else processor.frame_position
    return fields | {"frame_position": position, "decoder": f"av {av.__version__}", "format": _FORMAT_VERSION}


def decode_for_store(path: str, *, processor: "VideoProcessor", max_bytes: int) -> DecodedClip:
    """Decode a file; whatever is wrong with it comes back as `problem`."""
    try:
        try:
            return _decode_whole(path, processor=processor, max_bytes=max_bytes)
        except ClipTooLargeError:
            return _decode_long(path, processor=processor)
    except BadVideoError as error:
        return DecodedClip(problem=str(error))
    except Exception as error:  # one file must not end the preparation of all the others; it is reported
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        return DecodedClip(problem=f"cannot be decoded ({first_line})")


def _decode_whole(path: str | os.PathLike, *, processor: "VideoProcessor", max_bytes: int) -> DecodedClip:
    max_frames = None
    if processor.frame_position == "start" and processor.target_fps is None:
        max_frames = (processor.num_frames - 1) * processor.temporal_stride + 1  # later ones are never drawn
    clip = decode_frames(path, processor=processor, max_frames=max_frames, max_bytes=max_bytes)
    frames = clip.frames
    if not is_stored_whole(processor):
        frames = processor.select_frames(clip.num_frames, clip.frame_rate).take(frames)
    if is_stored_cropped(processor):
        frames = processor.crop(frames)
    return DecodedClip(
        frames=np.ascontiguousarray(frames.numpy()), total_frames=clip.num_frames, frame_rate=clip.frame_rate
    )


def _decode_long(path: str | os.PathLike, *, processor: "VideoProcessor") -> DecodedClip:
    """Of a clip too long to be held, the frames that are drawn where they are always the same, or none."""
    properties = probe_video(path)
    total, rate = properties.num_frames, properties.frame_rate
    if is_stored_whole(processor):
        return DecodedClip(total_frames=total, frame_rate=rate)
    frames = decode_sample(path, processor=processor, total_frames=total, frame_rate=rate)
    if is_stored_cropped(processor):
        frames = processor.crop(frames)
    return DecodedClip(frames=np.ascontiguousarray(frames.numpy()), total_frames=total, frame_rate=rate)
