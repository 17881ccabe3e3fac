"""The video column of a data set as a sequence of files and bytes, which are read only when asked for."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import datasets

_ROWS_AT_ONCE = 1000


class VideoColumn(Sequence):
    """Row number → a path, the bytes of an embedded file, or None for a refused row.

    Paths are held in memory, bytes stay in the data set (which maps them from disk).

    Args:
        dataset: with a column `video` of paths, or of `{"path", "bytes"}`.
    """

    def __init__(self, dataset: "datasets.Dataset") -> None:
        self.paths: list[str | None] = []
        embedded: list[bool] = []
        for batch in dataset.select_columns(["video"]).with_format("arrow").iter(_ROWS_AT_ONCE):
            paths, has_bytes = _paths_and_bytes(batch["video"])
            self.paths += paths
            embedded += has_bytes
        self._embedded = np.array(embedded, dtype=bool)
        self._dataset = dataset.select_columns(["video"]) if self._embedded.any() else None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = int(row)
        if self._dataset is not None and self._embedded[row]:
            return self._dataset[row]["video"]["bytes"]
        return self.paths[row]

    def __iter__(self) -> Iterator[Any]:
        return (self[row] for row in range(len(self)))

    def select(self, rows: Sequence[int]) -> "VideoColumn":
        """The column of these rows alone."""
        chosen = VideoColumn.__new__(VideoColumn)
        chosen.paths = [self.paths[row] for row in rows]
        chosen._embedded = self._embedded[list(rows)]
        chosen._dataset = self._dataset.select(rows) if self._dataset is not None else None
        return chosen


def _paths_and_bytes(column: Any) -> tuple[list[str | None], list[bool]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(column.type):
        return pc.struct_field(column, "path").to_pylist(), pc.is_valid(pc.struct_field(column, "bytes")).to_pylist()
    return column.to_pylist(), [False] * len(column)
