"""A map-style data set of prepared clips."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.cache.clip_decoding import is_stored_cropped, is_stored_whole
from heygen_hf.data.cache.frame_store import FrameStore, StoredClip
from heygen_hf.data.cache.video_column import VideoColumn
from heygen_hf.data.clips.controls import ClipControls
from heygen_hf.data.clips.finishing import (
    Augmentation,
    ClipOptions,
    audio_of_frames,
    decode_guarded,
    finish_item,
    moved_frames,
)
from heygen_hf.data.clips.sounds import ClipSounds
from heygen_hf.data.clips.substitution import Substitution
from heygen_hf.data.video.sampling import decode_sample, decode_video
from heygen_hf.processing import FrameSelection

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor


class VideoClipDataset(Dataset):
    """Clips as uint8 frames with their captions and labels; made by `prepare_clips`.

    What an item shows depends on (seed, epoch, index) alone, so any item of any epoch can be had at once, in any
    process. Items are dictionaries: `frames`, uint8 `(frames, channels, height, width)`; `text`; `index`; each label
    column as a string; `audio`, float32 `(samples,)`, where it is asked for; `audio_features`, float32 `(frames,
    hidden_size)`, where `sounds` are there; and `problems`, `[(file_name, reason)]`,
    where a file that could be read before no longer can and another clip stands in for it.

    Attributes:
        buckets: the sizes of the clips.
        bucket_of_row: int64 `(rows,)`, the size of each.
        source_sizes: int64 `(rows, 2)`, height and width of each file's frames.
        contents: hash of each file, by which copies are known.
        offsets: int64 `(rows,)`, where the store holds each; -1 where it is decoded when drawn. Copies share a place.
        sounds: what is heard in the clips, set by the caller (see `prepare_sounds`); None leaves it out of the items.
        controls: clips that control these, set by `attach_controls`: items then have `control`, uint8 as `frames`.
    """

    sounds: ClipSounds | None = None
    controls: ClipControls | None = None

    def __init__(
        self,
        *,
        videos: VideoColumn,
        file_names: Sequence[str],
        texts: Sequence[str],
        labels: Mapping[str, Sequence[str]],
        clips: Sequence[StoredClip],
        store: FrameStore,
        buckets: BucketSet,
        options: ClipOptions,
    ) -> None:
        self.videos, self.file_names, self.texts = videos, list(file_names), list(texts)
        self.labels = {name: list(values) for name, values in labels.items()}
        self.buckets, self.options, self.store = buckets, options, store
        # arrays, not objects: a worker then shares them with its parent instead of copying them bit by bit
        self.offsets = np.array([-1 if clip.offset is None else clip.offset for clip in clips], dtype=np.int64)
        self._shapes = np.array([clip.shape for clip in clips], dtype=np.int64).reshape(-1, 4)
        self._total_frames = np.array([clip.total_frames for clip in clips], dtype=np.int64)
        self._frame_rates = np.array([clip.frame_rate for clip in clips], dtype=np.float64)
        self.contents = [clip.content or b"" for clip in clips]
        self._clips = list(clips)
        self.source_sizes = np.array([clip.source_size for clip in clips], dtype=np.int64).reshape(-1, 2)
        self.bucket_of_row = np.array([clip.bucket for clip in clips], dtype=np.int64)
        self._substitution = Substitution(len(self), self.file_names.__getitem__, self.bucket_of_row)
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random frames and crops the items show."""
        self._epoch.fill_(epoch)

    @property
    def epoch(self) -> int:
        return int(self._epoch)

    def select(self, rows: Sequence[int], *, augmentation: Augmentation | None = None) -> "VideoClipDataset":
        """Some of the clips, numbered anew, with an augmentation of their own."""
        chosen = VideoClipDataset(
            videos=self.videos.select(rows),
            file_names=[self.file_names[row] for row in rows],
            texts=[self.texts[row] for row in rows],
            labels={name: [values[row] for row in rows] for name, values in self.labels.items()},
            clips=[self._clips[row] for row in rows],
            store=self.store,
            buckets=self.buckets,
            options=replace(self.options, augmentation=augmentation),
        )
        chosen.sounds = None if self.sounds is None else self.sounds.select(rows)
        chosen.controls = None if self.controls is None else self.controls.select(rows)
        chosen.contents = [self.contents[row] for row in rows]  # with controls, of both files
        return chosen

    def without_augmentation(self) -> "VideoClipDataset":
        """The same clips as they are in their files."""
        plain = copy.copy(self)
        plain.options = replace(self.options, augmentation=None)
        return plain

    @property
    def paths(self) -> list[str | None]:
        """Path of each clip; None where it is embedded in the data set."""
        return self.videos.paths

    def __len__(self) -> int:
        return len(self.file_names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of a data set of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """A whole batch at once: one copy out of the memory map where all of its clips have one shape."""
        return self.fetch(indices, epoch=self.epoch)

    def processor_of(self, index: int) -> "VideoProcessor":
        """The processor of the item's size."""
        return self.buckets.processors[self.bucket_of_row[index]]

    def fetch(self, indices: Sequence[int], *, epoch: int, seeds: Sequence[int] | None = None) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose.

        Args:
            seeds: of the frames and crops, one for each item, in place of those of (seed, epoch, index).
        """
        indices = [int(index) for index in indices]
        if seeds is None:
            seeds = [self.options.seed_of(epoch, index) for index in indices]
        shapes = {tuple(shape) for shape in self._shapes[indices].tolist()}
        if len(shapes) == 1 and (self.offsets[indices] >= 0).all():
            held: Any = self.store.read(self.offsets[indices].tolist(), shapes.pop())
        else:
            held = [None] * len(indices)
        items = []
        for index, kept, seed in zip(indices, held, seeds, strict=True):

            def read(row: int, index: int = index, kept: Any = kept, seed: int = seed) -> dict[str, Any]:
                if row == index:
                    return self._item(row, kept, epoch, seed)
                return self._item(row, None, epoch, self.options.seed_of(epoch, row))

            items.append(self._substitution.draw(index, read))
        return items

    def _item(self, index: int, held: torch.Tensor | None, epoch: int, seed: int) -> dict[str, Any]:
        if held is None and self.offsets[index] >= 0:
            held = self.store.read([int(self.offsets[index])], tuple(self._shapes[index].tolist()))[0]
        shown: dict[str, Any] = {
            "text": self.texts[index],
            "labels": {name: values[index] for name, values in self.labels.items()},
            "row": index,
            "epoch": epoch,
            "options": self.options,
        }
        processor, moved = self.processor_of(index), None
        if held is not None and self.options.augmentation is not None:
            moved = moved_frames(processor=processor, total_frames=len(held), **shown)
        if moved is not None and held is not None:
            frames = moved.take(held)
            frames = frames if is_stored_cropped(processor) else processor.crop(frames, seed=seed)
        else:
            frames = self._frames(index, held, seed=seed)
        item = finish_item(frames, positioned=moved is not None, **shown)
        if self.sounds is not None:
            item["audio_features"] = self.audio_features(index, seed=seed, frames=moved)
        if self.controls is not None:
            item["control"] = self.controls.frames(
                index,
                clip=self.videos[index],
                processor=processor,
                total_frames=int(self._total_frames[index]),
                frame_rate=float(self._frame_rates[index]),
                seed=seed,
                options=self.options,
            )
        if self.options.audio_sampling_rate is not None:
            item["audio"] = audio_of_frames(
                self.videos[index],
                processor=processor,
                total_frames=int(self._total_frames[index]),
                frame_rate=float(self._frame_rates[index]),
                seed=seed,
                options=self.options,
            )
        return item

    def audio_features(self, index: int, *, seed: int, frames: FrameSelection | None = None) -> torch.Tensor:
        """What is heard at the frames that a seed selects (or at those given), `(frames, hidden_size)`."""
        assert self.sounds is not None
        rate = float(self._frame_rates[index])
        if frames is None:
            frames = self.processor_of(index).select_frames(int(self._total_frames[index]), rate, seed=seed)
        return self.sounds.at_frames(index, frames.indices, frame_rate=rate)

    def duration_seconds(self, index: int) -> float:
        """How long a clip lasts, as far as its frames were read."""
        return float(self._total_frames[index] / self._frame_rates[index])

    def frame_rate(self, index: int) -> float:
        """Frames per second of a clip; where the processor has a `target_fps`, that."""
        return float(self._frame_rates[index])

    def _frames(self, index: int, frames: torch.Tensor | None, *, seed: int) -> torch.Tensor:
        """Make what the store leaves to be done: the random choices, and everything for a clip it does not hold."""
        processor = self.processor_of(index)
        total, rate = int(self._total_frames[index]), float(self._frame_rates[index])
        if frames is None and processor.target_fps is not None:  # by the times of the frames, which are not kept
            video = self.videos[index]
            return decode_guarded(decode_video, video, options=self.options, processor=processor, seed=seed).frames
        if frames is None:
            frames = decode_guarded(
                decode_sample,
                self.videos[index],
                options=self.options,
                processor=processor,
                total_frames=total,
                frame_rate=rate,
                seed=seed,
            )
            return processor.crop(frames, seed=seed)
        if is_stored_whole(processor):
            frames = processor.select_frames(total, rate, seed=seed).take(frames)
        return frames if is_stored_cropped(processor) else processor.crop(frames, seed=seed)
