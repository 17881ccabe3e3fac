"""Clips read where they lie, from shards: nothing is copied, decoded or even looked at before it is drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset

from heygen_hf.data.clips.finishing import ClipOptions, audio_of_frames, decode_guarded, finish_item
from heygen_hf.data.clips.substitution import Substitution
from heygen_hf.data.video import BadVideoError, decode_video, probe_video

if TYPE_CHECKING:
    from heygen_hf.data.sources import VideoShards
    from heygen_hf.processing import VideoProcessor


class StreamedClipDataset(Dataset):
    """Clips of shards, as items like those of `VideoClipDataset`.

    A row that cannot be used is found out when it is drawn: the next one that can takes its place, and the item names
    it in `problems`.

    Args:
        shards: rows with `video`, `text`, `file_name` and the label columns.
        processor: decides frames and sizes.
        options: seed, augmentation, sound, time limit.
        label_columns: columns that items carry on.
    """

    def __init__(
        self,
        shards: "VideoShards",
        *,
        processor: "VideoProcessor",
        options: ClipOptions,
        label_columns: Sequence[str] = (),
    ) -> None:
        self.shards, self.processor, self.options = shards, processor, options
        self.label_columns = list(label_columns)
        self._names: dict[int, str] = {}  # of broken rows
        self._substitution = Substitution(len(shards), self._name_of)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def _name_of(self, row: int) -> str:
        return self._names.get(row, f"row {row}")

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random frames and crops the items show."""
        self._epoch.fill_(epoch)

    @property
    def num_rows_per_shard(self) -> list[int]:
        """Rows of each shard, by which the order of an epoch is drawn."""
        return self.shards.num_rows_per_shard

    def __len__(self) -> int:
        return len(self.shards)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """A whole batch at once: rows of one shard are read together."""
        return self.fetch(indices, epoch=int(self._epoch))

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        indices = [int(index) for index in indices]
        try:
            rows = dict(zip(indices, self.shards.read(indices), strict=True))
        except Exception:  # of a damaged file; one by one it turns out which rows are lost
            rows = {}
        return [self._substitution.draw(index, lambda row: self._item(row, rows.get(row), epoch)) for index in indices]

    def _item(self, index: int, row: dict[str, Any] | None, epoch: int) -> dict[str, Any]:
        try:
            row = self.shards[index] if row is None else row
        except Exception as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise BadVideoError(f"its row cannot be read ({first_line})") from error
        try:
            return self._decode(index, row, epoch)
        except BadVideoError:
            self._names[index] = row["file_name"]
            raise

    def _decode(self, index: int, row: dict[str, Any], epoch: int) -> dict[str, Any]:
        video = _source_of(row["video"])
        seed = self.options.seed_of(epoch, index)
        clip = decode_guarded(decode_video, video, options=self.options, processor=self.processor, seed=seed)
        item = finish_item(
            clip.frames,
            text=row["text"] or "",
            labels={name: row[name] for name in self.label_columns},
            row=index,
            epoch=epoch,
            options=self.options,
        )
        if self.options.audio_sampling_rate is not None:
            found = decode_guarded(probe_video, video, options=self.options)
            item["audio"] = audio_of_frames(
                video,
                processor=self.processor,
                total_frames=found.num_frames,
                frame_rate=found.frame_rate,
                seed=seed,
                options=self.options,
            )
        return item


def _source_of(video: dict[str, Any] | None) -> Any:
    """Bytes where they are there, else the path."""
    if video is None or (video["bytes"] is None and video["path"] is None):
        raise BadVideoError("its row names no file, or its path leaves the data folder, which is refused")
    return video["bytes"] if video["bytes"] is not None else video["path"]
