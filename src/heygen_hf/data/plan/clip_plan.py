"""What will happen to each clip, before it happens."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from heygen_hf.data.clips import VideoClipDataset
from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.video import VideoProperties, VideoSource, probe_video
from heygen_hf.processing.resizing import scaled_size

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor


@dataclass(frozen=True)
class ClipPlan:
    """One row of the plan.

    Attributes:
        file_name: as in the metadata.
        split: what it is used for: "train", "validation" or "test".
        problem: why it is out; None where it is used.
        frames, frame_rate, duration_seconds, height, width, codec, pixel_format, has_audio: of the file, where known.
        bucket: the size it is brought to, frames × height × width.
        crop: `(top, left, height, width)` of the part that is kept, in pixels of the file. A "random" crop is of this
            size, and this is its middle; "contain" keeps all.
        frames_kept: which frames, for example "0 to 30 step 2", "16 step 2 from 0 … 95".
        padded_frames: frames filled up by the pad policy.
        upscaled: whether it has to be enlarged.
        copy_of: the first file with the same contents.
        held: decoded in the store; the others are decoded whenever they are drawn.
        caption_tokens, caption_tokens_lost: of its caption, with the tokenizer and the limit of the run.
    """

    file_name: str
    split: str = "train"
    problem: str | None = None
    frames: int | None = None
    frame_rate: float | None = None
    duration_seconds: float | None = None
    height: int | None = None
    width: int | None = None
    codec: str | None = None
    pixel_format: str | None = None
    has_audio: bool | None = None
    bucket: str | None = None
    crop: tuple[int, int, int, int] | None = None
    frames_kept: str | None = None
    padded_frames: int = 0
    upscaled: bool = False
    copy_of: str | None = None
    held: bool = False
    caption_tokens: int | None = None
    caption_tokens_lost: int = 0

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def plan_clips(
    clips: VideoClipDataset,
    skipped: list[tuple[str, str]],
    *,
    split: str = "train",
    caption_tokens: list[int] | None = None,
    max_caption_tokens: int | None = None,
    seen: dict[bytes, str] | None = None,
    num_workers: int | None = None,
    progress: bool = True,
) -> list[ClipPlan]:
    """The plan of every row: the used ones in their order, then those that are out.

    Args:
        clips, skipped: what `prepare_clips` made of the rows.
        split: what the clips are used for.
        caption_tokens: number of tokens of each used clip's caption.
        max_caption_tokens: more than these are cut.
        seen: content → first file with it; handed from split to split, copies are found across them.
    """
    found = map_in_workers(
        _properties,
        clips.videos,
        description="Reading properties",
        num_workers=num_workers,
        progress=progress,
        time_limit_seconds=clips.options.decode_time_limit_seconds,
        on_failure=lambda _, reason: reason,
    )
    seen = {} if seen is None else seen
    rows = []
    for row, properties in enumerate(found):
        name = clips.file_names[row]
        tokens = caption_tokens[row] if caption_tokens is not None else None
        lost = max(0, tokens - max_caption_tokens) if tokens is not None and max_caption_tokens is not None else 0
        original = seen.setdefault(clips.contents[row], name)
        facts: dict[str, Any] = {"held": bool(clips.offsets[row] >= 0)}
        facts |= {"caption_tokens": tokens, "caption_tokens_lost": lost}
        facts["copy_of"] = original if original != name else None
        if isinstance(properties, VideoProperties):
            facts |= _fate(properties, clips.processor_of(row))
        bucket = str(clips.buckets.buckets[clips.bucket_of_row[row]])
        rows.append(ClipPlan(file_name=name, split=split, bucket=bucket, **facts))
    return rows + [ClipPlan(file_name=name, split=split, problem=reason) for name, reason in skipped]


def _properties(video: VideoSource) -> VideoProperties | str:
    try:
        return probe_video(video)
    except ValueError as error:
        return str(error)


def _fate(found: VideoProperties, processor: "VideoProcessor") -> dict[str, Any]:
    selection = processor.select_frames(found.num_frames, found.frame_rate, timestamps_seconds=found.timestamps_seconds)
    crop = crop_box(found.height, found.width, processor)
    return {
        "frames": found.num_frames,
        "frame_rate": round(found.frame_rate, 3),
        "duration_seconds": round(found.duration_seconds, 3),
        "height": found.height,
        "width": found.width,
        "codec": found.codec,
        "pixel_format": found.pixel_format,
        "has_audio": found.has_audio,
        "crop": crop,
        "frames_kept": describe_frames(found, processor),
        "padded_frames": selection.num_padded,
        "upscaled": crop[2] < processor.height and crop[3] < processor.width,
    }


def crop_box(height: int, width: int, processor: "VideoProcessor") -> tuple[int, int, int, int]:
    """The part of the source that ends up in the frame, `(top, left, height, width)`, for a crop in the middle."""
    scaled = scaled_size(
        height, width, height=processor.height, width=processor.width, resize_mode=processor.resize_mode
    )
    kept = [
        round(min(target, size) * source / size)
        for target, size, source in zip((processor.height, processor.width), scaled, (height, width), strict=True)
    ]
    return (height - kept[0]) // 2, (width - kept[1]) // 2, kept[0], kept[1]


def describe_frames(found: VideoProperties, processor: "VideoProcessor") -> str:
    """Which frames are kept, in words short enough for a table."""
    selection = processor.select_frames(found.num_frames, found.frame_rate, timestamps_seconds=found.timestamps_seconds)
    present = selection.indices[: len(selection.indices) - selection.num_padded] or selection.indices
    steps = np.diff(present)
    step = f" step {steps[0]}" if len(steps) and (steps == steps[0]).all() and steps[0] > 1 else ""
    if len(steps) and not (steps == steps[0]).all():
        step = f" step {steps.mean():.2f}"
    spare = found.num_frames - 1 - (present[-1] - present[0])
    if processor.frame_position == "random" and spare > 0:
        return f"{len(present)}{step} from 0 … {spare}"
    return f"{present[0]} to {present[-1]}{step}" if len(present) > 1 else str(present[0])
