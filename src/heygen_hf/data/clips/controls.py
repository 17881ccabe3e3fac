"""Clips that control others, file beside file: of each the same frames and the same crop are shown as of its clip."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from heygen_hf.data.cache.content_hash import HASH_BYTES, hash_videos
from heygen_hf.data.clips.finishing import ClipOptions, decode_guarded
from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.video.errors import BadVideoError
from heygen_hf.data.video.properties import VideoProperties, probe_video
from heygen_hf.data.video.sampling import decode_sample
from heygen_hf.data.video.source import VideoSource
from heygen_hf.processing.resizing import scaled_size

if TYPE_CHECKING:
    from heygen_hf.data.clips.dataset import VideoClipDataset
    from heygen_hf.processing import VideoProcessor

_DECODER_MEMORY_GIBIBYTES = 4.0

Job = tuple[int, VideoSource, VideoSource, "VideoProcessor"]
"""Row, clip, what controls it, and the processor of its size."""


@dataclass(frozen=True, eq=False)
class ClipControls:
    """The clip that controls each clip of a data set.

    Attributes:
        videos: the files.
    """

    videos: Sequence[VideoSource]

    def select(self, rows: Sequence[int]) -> "ClipControls":
        """Those of some clips, numbered anew."""
        return ClipControls([self.videos[row] for row in rows])

    def frames(
        self,
        row: int,
        *,
        clip: VideoSource,
        processor: "VideoProcessor",
        total_frames: int,
        frame_rate: float,
        seed: int,
        options: ClipOptions,
    ) -> torch.Tensor:
        """The frames and the crop that a seed selects of the clip, of what controls it.

        Args:
            clip: the clip itself.
            total_frames, frame_rate: of it, as its own frames are selected by.

        Returns:
            uint8 `(frames, channels, height, width)`.

        Raises:
            BadVideoError: a file cannot be read any more.
        """
        control = self.videos[row]
        known = {"processor": processor, "total_frames": total_frames, "frame_rate": frame_rate, "seed": seed}
        frames: torch.Tensor = decode_guarded(_decode, control, clip, options=options, **known)
        return processor.crop(frames, seed=seed)


def _decode(
    control: VideoSource,
    clip: VideoSource,
    *,
    processor: "VideoProcessor",
    total_frames: int,
    frame_rate: float,
    seed: int,
) -> torch.Tensor:
    times = None
    if processor.target_fps is not None:  # by when the clip's frames are shown, of which there may be fewer kept
        found = probe_video(clip)
        total_frames, frame_rate, times = found.num_frames, found.frame_rate, found.timestamps_seconds
    return decode_sample(
        control,
        processor=processor,
        total_frames=total_frames,
        frame_rate=frame_rate,
        seed=seed,
        timestamps_seconds=times,
    )


def attach_controls(
    clips: "VideoClipDataset",
    controls: Sequence[VideoSource | None],
    *,
    num_workers: int | None = None,
    progress: bool = True,
) -> tuple["VideoClipDataset", list[tuple[str, str]]]:
    """The clips whose control can be used; their items have `control` beside `frames`.

    What is cached of such a clip is known by the contents of both files.

    Args:
        controls: of each clip; None for one that is refused.

    Returns:
        The clips, and `(file_name, reason)` of those left out.
    """
    contents = hash_videos(controls)
    jobs: list[Job] = []
    for row, control in enumerate(controls):
        if control is not None and isinstance(contents[row], bytes):
            jobs.append((row, clips.videos[row], control, clips.processor_of(row)))
    problems: dict[int, str] = {row: f"its control: {why}" for row, why in enumerate(contents) if isinstance(why, str)}
    found = map_in_workers(
        _problem_of,
        jobs,
        description="Looking at clips that control",
        num_workers=num_workers,
        progress=progress,
        time_limit_seconds=clips.options.decode_time_limit_seconds,
        on_failure=lambda _, reason: reason,
        memory_limit_gibibytes=_DECODER_MEMORY_GIBIBYTES,
    )
    for (row, *_), problem in zip(jobs, found, strict=True):
        if problem is not None:
            problems[row] = f"its control: {problem}"
    kept = [row for row in range(len(clips)) if row not in problems]
    chosen = clips.select(kept, augmentation=clips.options.augmentation)
    chosen.controls = ClipControls([control for control in (controls[row] for row in kept) if control is not None])
    chosen.contents = [_joint(clips.contents[row], contents[row]) for row in kept]
    return chosen, [(clips.file_names[row], problems[row]) for row in sorted(problems)]


def _joint(content: bytes, of_control: bytes | str) -> bytes:
    assert isinstance(of_control, bytes)
    return hashlib.blake2b(content + of_control, digest_size=HASH_BYTES).digest()


def _problem_of(job: Job) -> str | None:
    """Why a file cannot control a clip; None where it can."""
    _, clip, control, processor = job
    try:
        ours, its = probe_video(clip), probe_video(control)
    except BadVideoError as error:
        return str(error)
    if ours.num_frames != its.num_frames:
        return f"it has {its.num_frames} frames, and the clip {ours.num_frames}"

    def scaled(found: VideoProperties) -> tuple[int, int]:
        target = {"height": processor.height, "width": processor.width}
        return scaled_size(found.height, found.width, resize_mode=processor.resize_mode, **target)

    if scaled(ours) != scaled(its):
        return (
            f"it is {its.height}x{its.width} (height x width) and the clip {ours.height}x{ours.width}, which are of "
            "another aspect, so that not the same part would be shown of both"
        )
    return None
