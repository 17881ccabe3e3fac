"""Some of the clips of a data set, with the sizes they are batched by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.clips.dataset import VideoClipDataset


class ClipSubset(Dataset):
    """Rows of a `VideoClipDataset`; item i is its item `rows[i]`."""

    def __init__(self, clips: VideoClipDataset, rows: Sequence[int]) -> None:
        self.clips, self.rows = clips, list(rows)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random frames and crops the items show."""
        self.clips.set_epoch(epoch)

    @property
    def buckets(self) -> BucketSet:
        """The sizes of the clips."""
        return self.clips.buckets

    @property
    def bucket_of_row(self) -> np.ndarray:
        """int64 `(rows,)`, the size of each."""
        return self.clips.bucket_of_row[self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.clips[self.rows[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        return self.clips.__getitems__([self.rows[index] for index in indices])
