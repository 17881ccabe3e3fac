"""A small data set repeated, so that it fills a step."""

from collections.abc import Sequence
from typing import Any

from torch.utils.data import Dataset

from heygen_hf.data import RepeatedClips


class RepeatedRows(Dataset):
    """`rows` several times over in one epoch: item i is row `i % len(rows)`."""

    def __init__(self, rows: Any, *, times: int) -> None:
        self.rows, self.times = rows, times

    def set_epoch(self, epoch: int) -> None:
        """Hand the epoch on, where the rows depend on it."""
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.rows) * self.times

    def __getitem__(self, index: int) -> Any:
        return self.rows[index % len(self.rows)]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        within = [int(index) % len(self.rows) for index in indices]
        several = getattr(self.rows, "__getitems__", None)
        return several(within) if several else [self.rows[index] for index in within]


def repeated(rows: Any, *, times: int) -> Dataset:
    """Clips, of which each repetition is augmented anew, or any rows."""
    return RepeatedClips(rows, times=times) if hasattr(rows, "fetch") else RepeatedRows(rows, times=times)
