"""Real clips to measure against: a run's held-out ones, or a folder's, cut and scaled as the model's videos are."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heygen_hf.data import VideoClipDataset
from heygen_hf.data.clips import prepare_clips
from heygen_hf.data.sources import load_video_dataset
from heygen_hf.evaluation import ReferenceClips
from heygen_hf.processing import VideoProcessor, shuffled_indices
from heygen_hf.tasks.clip_data import default_cache_dir, prepare_data
from heygen_hf.tasks.clip_data.prepare import open_splits
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.types import VideoClip


@dataclass(frozen=True)
class RealClips:
    """Clips with their captions, in an order of their own: the first of them are a random choice.

    Attributes:
        clips: at the model's size and length.
        name: for the record; no path.
        rows: of `clips`, in the order in which they are taken.
    """

    clips: VideoClipDataset
    name: str
    rows: Sequence[int]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def captions(self) -> list[str]:
        """In the order of `rows`; empty where there are none."""
        texts = [self.clips.texts[row] for row in self.rows]
        return texts if any(text.strip() for text in texts) else []

    @property
    def short_hash(self) -> str:
        """Of their contents, their captions and their order."""
        digest = hashlib.blake2b(digest_size=4)
        for row in self.rows:
            digest.update(self.clips.contents[row] + self.clips.texts[row].encode(errors="replace") + b"\0")
        return digest.hexdigest()

    def frame_rates(self, processor: VideoProcessor) -> list[float]:
        """Of the clips as the processor takes their frames, each once."""
        stride = processor.temporal_stride if processor.target_fps is None else 1
        return sorted({round(self.clips.frame_rate(row) / stride, 3) for row in self.rows})

    def first(self, count: int, *, processor: VideoProcessor, frame_rate: float) -> ReferenceClips:
        """So many of them, from the start again where there are fewer; `frame_rate` is that of the model's videos,
        beside which they are seen frame by frame."""
        rows = [self.rows[i % len(self.rows)] for i in range(count)]
        made = json.dumps([processor.to_dict(), self.clips.options.seed], sort_keys=True, default=str)
        digest = hashlib.blake2b(made.encode(), digest_size=16)
        for row in rows:
            digest.update(self.clips.contents[row])
        return ReferenceClips(_Frames(self.clips, rows, frame_rate), digest.hexdigest())


class _Frames(Sequence[VideoClip]):
    """Frames of some rows, read when they are asked for."""

    def __init__(self, clips: VideoClipDataset, rows: Sequence[int], frame_rate: float) -> None:
        self.clips, self.rows, self.frame_rate = clips, rows, frame_rate

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> VideoClip:  # type: ignore[override]
        return VideoClip(self.clips[self.rows[index]]["frames"], self.frame_rate)


def warn_of_rates(real: RealClips, processor: VideoProcessor, *, frame_rate: float) -> None:
    """Say where real clips run at another rate than the model's videos: their motion is then not of the same time."""
    others = [rate for rate in real.frame_rates(processor) if abs(rate - frame_rate) > 1e-2]
    if others:
        print(
            f"warning: real clips have {', '.join(f'{rate:g}' for rate in others[:3])} frames a second and the model's "
            f"videos {frame_rate:g}: they are compared frame by frame, so another speed counts as a difference"
        )


def _in_order(clips: VideoClipDataset, name: str) -> RealClips:
    return RealClips(clips, name, shuffled_indices(len(clips), 0).tolist())


def held_out_clips(recipe: Recipe, *, processor: VideoProcessor) -> RealClips:
    """The test clips of a run's recipe, else its validation clips, else (which is said) its training clips.

    Raises:
        ValueError: its data are not there, or cannot be used.
    """
    section = recipe.data
    tables = {} if section.streaming else open_splits(section, seed=recipe.seed)
    split = next((name for name in ("test", "validation") if name in tables), None)
    if split is None:
        data = prepare_data(section, processor=processor, seed=recipe.seed, is_main=True)
        if not isinstance(data.test, VideoClipDataset):
            raise ValueError("the run's clips are streamed and none are held out; pass --reference FOLDER")
        return _in_order(data.test.without_augmentation(), f"{data.source}, {data.measured_split} clips")
    clips, report = prepare_clips(
        tables[split],
        processor=processor,
        seed=recipe.seed,
        cache_dir=section.cache_dir or default_cache_dir(),
        max_bad_share=section.max_bad_share,
        max_clip_mebibytes=section.max_clip_mebibytes,
        decode_time_limit_seconds=section.decode_time_limit_seconds,
    )
    print(f"{split}: {report.summary()}")
    source = section.train if isinstance(section.train, str) else section.train[0]
    given = getattr(section, split)
    return _in_order(clips, f"{Path(given or source).name}, {split} clips")


def folder_clips(folder: str | Path, *, processor: VideoProcessor, caption_column: str | None) -> RealClips:
    """The clips of a folder, with their captions where it has any.

    Raises:
        ValueError: there is no such folder, or no usable clip in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"--reference {folder} is no folder; give a folder of real videos")
    try:
        table = load_video_dataset(str(folder), split=None, caption_column=caption_column)
    except ValueError:
        if caption_column is None:
            raise
        table = load_video_dataset(str(folder), split=None, caption_column=None)
    clips, report = prepare_clips(table, processor=processor, seed=0, cache_dir=default_cache_dir())
    print(f"reference: {report.summary()}")
    return _in_order(clips, Path(folder).resolve().name)
