"""Decode one clip for the frame store: everything of it that training could ask for, at the size it will have."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.video import VideoProperties, VideoSource, decode_frames, probe_video
from heygen_hf.data.video.errors import ClipTooLargeError
from heygen_hf.data.video.sampling import decode_sample
from heygen_hf.processing.frame_sampling import frames_shown_at

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

_FORMAT_VERSION = 3  # raise it when the same settings give other pixels


@dataclass(frozen=True)
class DecodedClip:
    """A clip's frames, or why there are none.

    Attributes:
        frames: uint8 `(frames, channels, height, width)`; None where the clip is too long to be held, or bad.
        total_frames: frames of the clip, as far as they were read; with `target_fps`, of those at that rate.
        frame_rate: of those frames.
        source_size: height and width of the file's frames, upright.
        bucket: which size it is brought to.
        problem: why the file cannot be used.
        decoder_failed: because its decoder crashed or took too long, which it may not do another time.
    """

    frames: np.ndarray | None = None
    total_frames: int = 0
    frame_rate: float = 1.0
    source_size: tuple[int, int] = (0, 0)
    bucket: int = 0
    problem: str | None = None
    decoder_failed: bool = False


def is_stored_whole(processor: "VideoProcessor") -> bool:
    """Whether all frames are kept, because which of them are drawn changes from epoch to epoch."""
    return processor.frame_position == "random"


def is_stored_cropped(processor: "VideoProcessor") -> bool:
    """Whether frames are kept at their final size; a random crop is still to be made otherwise."""
    return processor.crop_position == "center"


def store_settings(buckets: BucketSet) -> dict[str, Any]:
    """What the pixels in a store depend on, besides the files."""
    import av

    processor = buckets.processors[0]
    names = ["resize_mode", "interpolation", "crop_position", "target_fps"]
    if not is_stored_whole(processor):
        names += ["temporal_stride", "pad_policy"]
    fields = {name: getattr(processor, name) for name in names}
    return fields | {
        "buckets": [list(asdict(bucket).values()) for bucket in buckets.buckets],
        "upscale": buckets.upscale,
        "frame_position": "random" if is_stored_whole(processor) else processor.frame_position,
        "decoder": f"av {av.__version__}",
        "format": _FORMAT_VERSION,
    }


def decode_for_store(video: VideoSource, *, buckets: BucketSet, max_bytes: int) -> DecodedClip:
    """Decode a clip; whatever is wrong with it comes back as `problem`."""
    try:
        if len(buckets) == 1 and buckets.upscale:  # it takes every clip, so nothing needs to be known beforehand
            try:
                return _decode_whole(video, buckets.processors[0], bucket=0, max_bytes=max_bytes)
            except ClipTooLargeError:
                return _decode_long(video, buckets.processors[0], bucket=0, properties=probe_video(video))
        return _decode_for_bucket(video, buckets, max_bytes=max_bytes)
    except ValueError as error:  # BadVideoError, or no bucket
        return DecodedClip(problem=str(error))
    except Exception as error:  # one file must not end the preparation of all the others; it is reported
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        return DecodedClip(problem=f"cannot be decoded ({first_line})")


def _decode_for_bucket(video: VideoSource, buckets: BucketSet, *, max_bytes: int) -> DecodedClip:
    found = probe_video(video)
    bucket = buckets.assign(
        total_frames=found.num_frames, frame_rate=found.frame_rate, height=found.height, width=found.width
    )
    try:
        return _decode_whole(video, buckets.processors[bucket], bucket=bucket, max_bytes=max_bytes)
    except ClipTooLargeError:
        return _decode_long(video, buckets.processors[bucket], bucket=bucket, properties=found)


def _decode_whole(video: VideoSource, processor: "VideoProcessor", *, bucket: int, max_bytes: int) -> DecodedClip:
    max_frames = None
    if processor.frame_position == "start" and processor.target_fps is None:
        max_frames = (processor.num_frames - 1) * processor.temporal_stride + 1  # later ones are never drawn
    clip = decode_frames(video, processor=processor, max_frames=max_frames, max_bytes=max_bytes)
    frames, total, rate = clip.frames, clip.num_frames, clip.frame_rate
    if not is_stored_whole(processor):
        stamps = None if clip.timestamps_seconds is None else clip.timestamps_seconds.numpy()
        frames = processor.select_frames(total, rate, timestamps_seconds=stamps).take(frames)
    elif processor.target_fps is not None and clip.timestamps_seconds is not None:
        # held at the rate at which it is drawn: the times of the frames need not be kept
        shown = frames_shown_at(processor.target_fps, clip.timestamps_seconds.numpy())
        frames, total, rate = frames[torch.from_numpy(shown)], len(shown), processor.target_fps
    if is_stored_cropped(processor):
        frames = processor.crop(frames)
    return DecodedClip(
        frames=np.ascontiguousarray(frames.numpy()),
        total_frames=total,
        frame_rate=rate,
        source_size=clip.source_size or (0, 0),
        bucket=bucket,
    )


def _decode_long(
    video: VideoSource, processor: "VideoProcessor", *, bucket: int, properties: VideoProperties
) -> DecodedClip:
    """Of a clip too long to be held, the frames that are drawn where they are always the same, or none."""
    total, rate = properties.num_frames, properties.frame_rate
    known: dict[str, Any] = {"total_frames": total, "frame_rate": rate, "bucket": bucket}
    size = (properties.height, properties.width)
    if is_stored_whole(processor):
        return DecodedClip(source_size=size, **known)
    frames = decode_sample(video, processor=processor, total_frames=total, frame_rate=rate)
    if is_stored_cropped(processor):
        frames = processor.crop(frames)
    return DecodedClip(frames=np.ascontiguousarray(frames.numpy()), source_size=size, **known)
