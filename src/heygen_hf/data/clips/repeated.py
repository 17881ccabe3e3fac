"""A small data set repeated, so that it fills a batch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.clips.dataset import VideoClipDataset
from heygen_hf.data.clips.mixed import MixedClips


class RepeatedClips(Dataset):
    """`clips` several times over in one epoch: item i is clip `i % len(clips)`.

    Repetitions within an epoch show the frames of further epochs of the clips alone, so random frames, crops and
    augmentation differ between them.

    Args:
        clips: what is repeated.
        times: how often, at least once.
    """

    def __init__(self, clips: VideoClipDataset | MixedClips, *, times: int) -> None:
        if times < 1:
            raise ValueError(f"times={times} must be at least 1")
        self.clips, self.times = clips, times
        # in shared memory, so that workers that outlive an epoch see it change
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, of which each holds `times` of the clips' own."""
        self._epoch.fill_(epoch)

    @property
    def buckets(self) -> BucketSet:
        """The sizes of the clips."""
        return self.clips.buckets

    @property
    def bucket_of_row(self) -> np.ndarray:
        """int64 `(rows,)`, the size of each."""
        return np.tile(self.clips.bucket_of_row, self.times)

    def __len__(self) -> int:
        return len(self.clips) * self.times

    def __getitem__(self, index: int) -> dict[str, Any]:
        repetition, clip = divmod(index, len(self.clips))
        return self.clips.fetch([clip], epoch=int(self._epoch) * self.times + repetition)[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return [self[int(index)] for index in indices]
