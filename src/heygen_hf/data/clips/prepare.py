"""Look at every file of a data set and decide what becomes of it, before training."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.cache.frame_store import StoredClip
from heygen_hf.data.cache.frame_store_building import open_frame_store
from heygen_hf.data.cache.video_column import VideoColumn
from heygen_hf.data.clips.dataset import VideoClipDataset
from heygen_hf.data.clips.finishing import Augmentation, ClipOptions
from heygen_hf.data.report import DataReport, name_some
from heygen_hf.data.video.sampling import too_short

if TYPE_CHECKING:
    import datasets

    from heygen_hf.processing import VideoProcessor

_NO_LABELS = {"video", "text", "file_name", "audio", "source"}


def prepare_clips(
    dataset: "datasets.Dataset",
    *,
    processor: "VideoProcessor",
    seed: int,
    cache_dir: str | os.PathLike,
    buckets: BucketSet | None = None,
    augmentation: Augmentation | None = None,
    audio_sampling_rate: int | None = None,
    max_bad_share: float = 0.1,
    num_workers: int | None = None,
    with_captions: bool = True,
    max_clip_mebibytes: float = 32.0,
    decode_time_limit_seconds: float = 60.0,
    progress: bool = True,
) -> tuple[VideoClipDataset, DataReport]:
    """Look at every file of a data set, decode the short ones into a frame store, and leave out what cannot be used.

    Args:
        dataset: columns `video` (as `load_video_dataset` gives it), `file_name`, `text`, and any label columns.
        processor: decides frames and sizes.
        seed: of the random frames, crops and augmentation.
        cache_dir: for the frame store; reused by the next run.
        buckets: several sizes; None brings every clip to the processor's own.
        augmentation: called on every item drawn, see `VideoAugmentation`.
        audio_sampling_rate: items then have the sound of their frames' time span, at this rate.
        max_bad_share: a larger share of unusable rows is an error.
        num_workers: processes that decode; None for one per core.
        with_captions: False where captions are not used; `text` may then be missing.
        max_clip_mebibytes: clips with more pixels than this, at the processor's size, are decoded when drawn.
        decode_time_limit_seconds: a clip whose decoder takes longer cannot be used.
        progress: show a progress bar.

    Returns:
        The data set and the account of every row.

    Raises:
        ValueError: no row, no column `text`, no usable clip, or too many unusable ones.
    """
    started = time.perf_counter()
    if len(dataset) == 0:
        raise ValueError("the data set is empty; expected at least one clip")
    if with_captions and "text" not in dataset.column_names:
        raise ValueError(
            f"the data set has no column 'text'; it has {', '.join(dataset.column_names)}: set data.caption_column"
        )
    videos, file_names = VideoColumn(dataset), list(dataset["file_name"])
    buckets = buckets or BucketSet.of_processor(processor)
    store, clips, reused = open_frame_store(
        videos,
        buckets=buckets,
        cache_dir=cache_dir,
        num_workers=num_workers,
        max_clip_mebibytes=max_clip_mebibytes,
        decode_time_limit_seconds=decode_time_limit_seconds,
        progress=progress,
    )
    report = DataReport(num_rows=len(videos), store_path=str(store.folder), store_was_reused=reused)
    report.warnings += [line for line in (dataset.info.description or "").splitlines() if line]
    used = _usable_rows(clips, file_names, buckets, report)
    report.warnings += _copies(used, clips, videos.paths, file_names)
    report.seconds = time.perf_counter() - started
    _refuse_if_bad(report, max_bad_share)

    texts = list(dataset["text"]) if with_captions else [""] * len(videos)
    label_names = [name for name in dataset.column_names if name not in _NO_LABELS]
    columns = {name: list(dataset[name]) for name in label_names}
    prepared = VideoClipDataset(
        videos=videos.select(used),
        file_names=[file_names[row] for row in used],
        texts=[texts[row] or "" for row in used],
        labels={name: [values[row] for row in used] for name, values in columns.items()},
        clips=[clips[row] for row in used],
        store=store,
        buckets=buckets,
        options=ClipOptions(
            seed=seed,
            augmentation=augmentation,
            audio_sampling_rate=audio_sampling_rate,
            decode_time_limit_seconds=decode_time_limit_seconds,
        ),
    )
    return prepared, report


def _usable_rows(
    clips: Sequence[StoredClip], file_names: Sequence[str], buckets: BucketSet, report: DataReport
) -> list[int]:
    """The rows to train on; the others go to the report with their reasons."""
    used = []
    for row, clip in enumerate(clips):
        problem = clip.problem
        if problem is None:
            processor = buckets.processors[clip.bucket]
            selection = processor.select_frames(clip.total_frames, clip.frame_rate)
            problem = None if selection.keep else too_short(clip.total_frames, processor)
        if problem is not None:
            report.skipped.append((file_names[row], problem))
            continue
        used.append(row)
        report.num_padded += selection.num_padded > 0
        report.num_stored += clip.offset is not None
        if len(buckets) > 1:
            name = str(buckets.buckets[clip.bucket])
            report.num_per_bucket[name] = report.num_per_bucket.get(name, 0) + 1
    report.num_used = len(used)
    report.num_decoded_each_time = report.num_used - report.num_stored
    return used


def _copies(
    used: list[int], clips: Sequence[StoredClip], paths: Sequence[str | None], file_names: Sequence[str]
) -> list[str]:
    """A note where different files have the same contents."""
    first_at: dict[bytes | None, str | None] = {}
    copies = []
    for row in used:
        name = paths[row] or file_names[row]
        if first_at.setdefault(clips[row].content, name) != name:
            copies.append(file_names[row])
    return [f"{len(copies)} files are copies of others, byte for byte, and used: {name_some(copies)}"] if copies else []


def _refuse_if_bad(report: DataReport, max_bad_share: float) -> None:
    if report.num_used and report.bad_share <= max_bad_share:
        return
    reasons = "; ".join(f"{file_name!r}: {reason}" for file_name, reason in report.skipped[:3])
    more = f"; and {len(report.skipped) - 3} more" if len(report.skipped) > 3 else ""
    raise ValueError(
        f"{len(report.skipped)} of {report.num_rows} clips cannot be used ({report.bad_share:.0%}, allowed "
        f"are {max_bad_share:.0%}): {reasons}{more}; mend or remove them"
        + (", or raise data.max_bad_share" if report.num_used else "")
    )
