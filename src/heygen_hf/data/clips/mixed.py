"""Clips of several data sets in one epoch, each at its share of the samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.clips.dataset import VideoClipDataset
from heygen_hf.data.clips.encoded import EncodedClips
from heygen_hf.processing import shuffled_indices

_BESIDE_STREAM = 14  # keeps the order of the clips beside apart from that of the epoch's rows
OWN = "own"


@dataclass(frozen=True, kw_only=True)
class ClipsBeside:
    """Clips that are trained on beside those that a training is about.

    Attributes:
        name: of the source, as items, losses and logs say it.
        clips: of any number; they are gone through again and again.
        share: of all samples of an epoch, in (0, 1).
        seed: of the order in which they come.
    """

    name: str
    clips: VideoClipDataset | EncodedClips
    share: float
    seed: int = 0


class MixedClips(Dataset):
    """Every own clip once an epoch, and beside them clips of other sources, as many as make their shares.

    The clips beside are gone through in an order of (seed, source, pass), and from epoch to epoch it goes on where it
    stopped: what item i shows is a function of (seed, epoch, i) alone, as of any data set here. Where clips differ in
    size, an item has the same size in every epoch. Items have `source`, the name of where they are from; own ones
    "own".

    Args:
        own: what the training is about.
        beside: the others; their sizes are among those of `own`.

    Raises:
        ValueError: shares of which nothing is left for the own clips, or names that are there twice.
    """

    def __init__(self, own: VideoClipDataset | EncodedClips, beside: Sequence[ClipsBeside]) -> None:
        self.own, self.beside = own, list(beside)
        self.source_names = [OWN, *(source.name for source in beside)]
        if len(set(self.source_names)) < len(self.source_names):
            raise ValueError(f"sources need different names, and not {OWN!r}; got {', '.join(self.source_names[1:])}")
        total = sum(source.share for source in beside)
        if min((source.share for source in beside), default=1.0) <= 0 or total >= 1:
            raise ValueError(f"the shares of the clips beside sum to {total:g}; each must be above 0, all below 1")
        self._slots = [
            _Slots(source, number, count=round(len(own) * source.share / (1 - total)))
            for number, source in enumerate(beside)
        ]
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the items are of."""
        self._epoch.fill_(epoch)

    @property
    def buckets(self) -> BucketSet:
        """The sizes of the clips."""
        return self.own.buckets

    @property
    def bucket_of_row(self) -> np.ndarray:
        """int64 `(rows,)`, the size of each."""
        return np.concatenate([self.own.bucket_of_row, *(slots.bucket_of_slot for slots in self._slots)])

    @property
    def file_names(self) -> list[str]:
        """Of the items of the chosen epoch."""
        epoch = int(self._epoch)
        names = list(self.own.file_names)
        for source, slots in zip(self.beside, self._slots, strict=True):
            names += [source.clips.file_names[slots.row(slot, epoch=epoch)[0]] for slot in range(len(slots))]
        return names

    def __len__(self) -> int:
        return len(self.own) + sum(map(len, self._slots))

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of a data set of {len(self)}")
        return self.__getitems__([index % len(self)])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.fetch(indices, epoch=int(self._epoch))

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[dict[str, Any]]:
        """Items as a certain epoch shows them, whichever `set_epoch` chose."""
        items: dict[int, dict[str, Any]] = {}
        for name, clips, at, wanted in self._by_source([int(index) for index in indices], epoch=epoch):
            rows = [row for _, row in wanted]
            for (place, _), item in zip(wanted, clips.fetch(rows, epoch=at), strict=True):
                items[place] = {**item, "source": name, "index": int(indices[place])}
        return [items[place] for place in range(len(indices))]

    def _by_source(
        self, indices: Sequence[int], *, epoch: int
    ) -> Iterator[tuple[str, VideoClipDataset | EncodedClips, int, list[tuple[int, int]]]]:
        """Name and clips of a source, the epoch of it that is shown, and `(place in indices, its row)`: what can be
        fetched at once."""
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for place, index in enumerate(indices):
            source, at, row = 0, epoch, index
            if index >= len(self.own):
                slot = index - len(self.own)
                while slot >= len(self._slots[source]):
                    slot -= len(self._slots[source])
                    source += 1
                row, at = self._slots[source].row(slot, epoch=epoch)
                source += 1
            groups.setdefault((source, at), []).append((place, row))
        for (source, at), wanted in groups.items():
            yield self.source_names[source], self._clips(source), at, wanted

    def _clips(self, source: int) -> VideoClipDataset | EncodedClips:
        return self.own if source == 0 else self.beside[source - 1].clips

    def summary(self) -> str:
        """What an epoch is made of, in words."""
        parts = [f"{len(self.own)} clips of its own"]
        parts += [
            f"{len(slots)} of {source.name} (of {len(source.clips)})"
            for source, slots in zip(self.beside, self._slots, strict=True)
        ]
        return f"an epoch shows {', '.join(parts)}"


class _Slots:
    """The places of one source in an epoch; each has a size, and shows clips of that size in turn."""

    def __init__(self, source: ClipsBeside, number: int, *, count: int) -> None:
        buckets = source.clips.bucket_of_row
        self._key = (source.seed, _BESIDE_STREAM, number)
        self._rows = {int(bucket): np.flatnonzero(buckets == bucket) for bucket in np.unique(buckets)}
        # As many of each size as it has clips, and at least one, so that no clip is left out for good.
        wanted = {bucket: max(1, round(count * len(rows) / len(buckets))) for bucket, rows in self._rows.items()}
        self._counts = wanted
        self.bucket_of_slot = np.repeat(list(wanted), list(wanted.values())).astype(np.int64)
        self._first = dict(zip(wanted, np.cumsum([0, *wanted.values()])[:-1].tolist(), strict=True))
        self._orders: dict[int, tuple[int, np.ndarray]] = {}

    def __len__(self) -> int:
        return len(self.bucket_of_slot)

    def row(self, slot: int, *, epoch: int) -> tuple[int, int]:
        """Which clip a place shows in an epoch, and the how-manieth time: the epoch of the clips themselves."""
        bucket = int(self.bucket_of_slot[slot])
        rows = self._rows[bucket]
        position = epoch * self._counts[bucket] + slot - self._first[bucket]
        turn, place = divmod(position, len(rows))
        known = self._orders.get(bucket)
        if known is None or known[0] != turn:
            known = (turn, shuffled_indices(len(rows), *self._key, bucket, turn))
            self._orders[bucket] = known
        return int(rows[known[1][place]]), turn
