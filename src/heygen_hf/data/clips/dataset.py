"""A map-style data set of prepared clips, and the preparation that decides which rows it holds."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.data.cache.clip_decoding import is_stored_cropped, is_stored_whole
from heygen_hf.data.cache.frame_store import FrameStore, StoredClip
from heygen_hf.data.cache.frame_store_building import open_frame_store
from heygen_hf.data.report import DataReport, name_some
from heygen_hf.data.video.decode import BadVideoError
from heygen_hf.data.video.sampling import decode_sample, too_short
from heygen_hf.processing import fold_seed

if TYPE_CHECKING:
    import datasets

    from heygen_hf.processing import VideoProcessor

_NO_LABELS = {"video", "text", "file_name"}


class VideoClipDataset(Dataset):
    """Clips as uint8 frames with their captions and labels; made by `prepare_clips`.

    Which frames and which crop an item shows depends on (seed, epoch, index) alone, so any item of any epoch
    can be had at once, in any process. Items are dictionaries: `frames`, uint8 `(frames, channels, height,
    width)`; `text`; `index`; and each label column as a string.
    """

    def __init__(
        self,
        *,
        paths: Sequence[str],
        file_names: Sequence[str],
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str]],
        clips: Sequence[StoredClip],
        store: FrameStore,
        processor: "VideoProcessor",
        seed: int,
    ) -> None:
        self.paths, self.file_names, self.texts = list(paths), list(file_names), list(texts)
        self.labels = {name: list(values) for name, values in labels.items()}
        self.processor, self.seed, self.store = processor, seed, store
        # arrays, not objects: a worker then shares them with its parent instead of copying them bit by bit
        self._offsets = np.array([-1 if clip.offset is None else clip.offset for clip in clips], dtype=np.int64)
        self._shapes = np.array([clip.shape for clip in clips], dtype=np.int64).reshape(-1, 4)
        self._total_frames = np.array([clip.total_frames for clip in clips], dtype=np.int64)
        self._frame_rates = np.array([clip.frame_rate for clip in clips], dtype=np.float64)
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random frames and crops the items show."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of a data set of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """A whole batch at once: one copy out of the memory map where all of its clips have one shape."""
        return self.fetch(indices, epoch=self.epoch)

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        indices = [int(index) for index in indices]
        shapes = {tuple(shape) for shape in self._shapes[indices].tolist()}
        if len(shapes) == 1 and (self._offsets[indices] >= 0).all():
            held: Any = self.store.read(self._offsets[indices].tolist(), shapes.pop())
        else:
            held = [self._read_one(index) for index in indices]
        return [
            {
                "frames": self._finish(index, frames, epoch=epoch),
                "text": self.texts[index],
                "index": index,
                **{name: values[index] for name, values in self.labels.items()},
            }
            for index, frames in zip(indices, held, strict=True)
        ]

    def _read_one(self, index: int) -> torch.Tensor | None:
        if self._offsets[index] < 0:
            return None
        return self.store.read([int(self._offsets[index])], tuple(self._shapes[index].tolist()))[0]

    def _finish(self, index: int, frames: torch.Tensor | None, *, epoch: int) -> torch.Tensor:
        """Make what the store leaves to be done: the random choices, and everything for a clip it does not
        hold."""
        seed = fold_seed(self.seed, epoch, index)
        total, rate = int(self._total_frames[index]), float(self._frame_rates[index])
        if frames is None:
            try:
                frames = decode_sample(
                    self.paths[index],
                    processor=self.processor,
                    total_frames=total,
                    frame_rate=rate,
                    seed=seed,
                )
            except BadVideoError as error:
                raise RuntimeError(f"{self.paths[index]} could be read when it was prepared: {error}") from error
            return self.processor.crop(frames, seed=seed)
        if is_stored_whole(self.processor):
            frames = self.processor.select_frames(total, rate, seed=seed).take(frames)
        return frames if is_stored_cropped(self.processor) else self.processor.crop(frames, seed=seed)


def prepare_clips(
    dataset: "datasets.Dataset",
    *,
    processor: "VideoProcessor",
    seed: int,
    cache_dir: str | os.PathLike,
    max_bad_share: float = 0.1,
    num_workers: int | None = None,
    with_captions: bool = True,
    max_clip_mebibytes: float = 32.0,
    progress: bool = True,
) -> tuple[VideoClipDataset, DataReport]:
    """Look at every file of a data set, decode the short ones into a frame store, and leave out what cannot
    be used.

    Args:
        dataset: columns `video` (a path, or None for a refused one), `file_name`, `text`, and any label
            columns.
        processor: decides frames and sizes.
        seed: of the random frames and crops.
        cache_dir: for the frame store; reused by the next run.
        max_bad_share: a larger share of unusable rows is an error.
        num_workers: processes that decode; None for one per core.
        with_captions: False where captions are not used; `text` may then be missing.
        max_clip_mebibytes: clips with more pixels than this, at the processor's size, are decoded when drawn.
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
    paths, file_names = list(dataset["video"]), list(dataset["file_name"])
    store, clips, reused = open_frame_store(
        paths,
        processor=processor,
        cache_dir=cache_dir,
        num_workers=num_workers,
        max_clip_mebibytes=max_clip_mebibytes,
        progress=progress,
    )
    report = DataReport(num_rows=len(paths), store_path=str(store.folder), store_was_reused=reused)
    report.warnings += [line for line in (dataset.info.description or "").splitlines() if line]

    used = []
    for row, clip in enumerate(clips):
        problem = clip.problem
        if problem is None:
            selection = processor.select_frames(clip.total_frames, clip.frame_rate)
            problem = None if selection.keep else too_short(clip.total_frames, processor)
        if problem is not None:
            report.skipped.append((file_names[row], problem))
            continue
        used.append(row)
        report.num_padded += selection.num_padded > 0
        report.num_stored += clip.offset is not None
    report.num_used = len(used)
    report.num_decoded_each_time = report.num_used - report.num_stored
    report.warnings += _copies(used, clips, paths, file_names)
    report.seconds = time.perf_counter() - started
    _refuse_if_bad(report, max_bad_share)

    texts = list(dataset["text"]) if with_captions else [""] * len(paths)
    label_names = [name for name in dataset.column_names if name not in _NO_LABELS]
    columns = {name: list(dataset[name]) for name in label_names}
    prepared = VideoClipDataset(
        paths=[paths[row] for row in used],
        file_names=[file_names[row] for row in used],
        texts=[texts[row] or "" for row in used],
        labels={name: [values[row] for row in used] for name, values in columns.items()},
        clips=[clips[row] for row in used],
        store=store,
        processor=processor,
        seed=seed,
    )
    return prepared, report


def _copies(
    used: list[int], clips: Sequence[StoredClip], paths: Sequence[str | None], file_names: Sequence[str]
) -> list[str]:
    """A note where different files have the same contents (which share one place in the store)."""
    first_at: dict[int, str | None] = {}
    copies = []
    for row in used:
        offset = clips[row].offset
        if offset is not None and first_at.setdefault(offset, paths[row]) != paths[row]:
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
