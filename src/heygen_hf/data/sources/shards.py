"""Rows of any source by number, read in place: what streaming reads."""

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

MEDIA_COLUMNS = ("video", "audio")


class Shard(Protocol):
    """Some rows of one file, which can be pickled: it holds no open file."""

    @property
    def name(self) -> str: ...

    @property
    def source(self) -> str | None: ...

    @property
    def num_rows(self) -> int: ...

    @property
    def column_names(self) -> list[str]: ...

    @property
    def identity(self) -> tuple[object, ...]:
        """What changes when the rows do."""
        ...

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Rows by their number in the shard, with their bytes where they are embedded."""
        ...

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        """Columns that are strings, of all rows, without reading a clip."""
        ...


@dataclass
class TableShard:
    """Rows of a folder, whose clips are files of their own."""

    name: str
    table: "pa.Table"
    source: str | None = None

    @property
    def num_rows(self) -> int:
        return int(self.table.num_rows)

    @property
    def column_names(self) -> list[str]:
        return list(self.table.column_names)

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.name, *self.table["file_name"].to_pylist(), *self.table["text"].to_pylist())

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        return [self.table.slice(row, 1).to_pylist()[0] for row in rows]

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        return self.table.select(list(names))


@dataclass(frozen=True)
class RepeatedShard:
    """A shard of a mixture, some or all of whose rows an epoch draws more than once."""

    shard: Shard
    rows: np.ndarray
    source: str | None = None

    @property
    def name(self) -> str:
        return self.shard.name

    @property
    def num_rows(self) -> int:
        return len(self.rows)

    @property
    def column_names(self) -> list[str]:
        return self.shard.column_names

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.shard.identity, *self.rows.tolist())

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        return self.shard.read([int(self.rows[row]) for row in rows])

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        return self.shard.read_columns(names).take(self.rows)


class VideoShards:
    """An indexable set of shards, read where they lie; nothing is copied or decoded beforehand.

    It can be pickled, and sent to other processes: files are opened again there, and few at a time. Reading many
    rows at once (`read`) opens each file and row group once. Rows are dictionaries with the same columns as
    `load_video_dataset` gives.

    Attributes:
        shards: the shards, in order.
        column_names: the columns of every row.
        notes: what is odd about the sources, a line each.
        mixing_weights: of each source of a mixture, by its name, as shares; None where there is one source or no
            weights. The rows of a source that is drawn more often are here more than once, so that reading every row
            once is an epoch in these shares.
        seed: of the order in which a mixture is streamed.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        column_names: Sequence[str],
        *,
        notes: Sequence[str] = (),
        mixing_weights: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> None:
        self.shards = [shard for shard in shards if shard.num_rows]
        self.column_names, self.notes = list(column_names), list(notes)
        self.mixing_weights = None if mixing_weights is None else dict(mixing_weights)
        self.seed = seed
        self._ends = list(itertools.accumulate(self.num_rows_per_shard))

    @property
    def num_rows_per_shard(self) -> list[int]:
        return [shard.num_rows for shard in self.shards]

    @property
    def shard_names(self) -> list[str]:
        return [shard.name for shard in self.shards]

    @property
    def features(self) -> "datasets.Features":
        from heygen_hf.data.sources.columns import make_features

        return make_features(self.column_names)

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __repr__(self) -> str:
        return f"VideoShards({len(self)} rows in {len(self.shards)} shards, columns {', '.join(self.column_names)})"

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.read([index])[0]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[index] for index in range(len(self)))

    def place(self, index: int) -> tuple[int, int]:
        """The shard of a row, and its number there."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"row {index} of {len(self)}")
        index %= len(self)
        shard = bisect.bisect_right(self._ends, index)
        return shard, index - (self._ends[shard - 1] if shard else 0)

    def read(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Rows in the order asked for; each shard is read once, from front to back."""
        wanted: dict[int, list[tuple[int, int]]] = {}
        for position, index in enumerate(indices):
            shard, row = self.place(int(index))
            wanted.setdefault(shard, []).append((row, position))
        found: list[dict[str, Any]] = [{}] * len(indices)
        for number, places in wanted.items():
            shard_read = self.shards[number]
            places.sort()
            for (_, position), row_read in zip(places, shard_read.read([row for row, _ in places]), strict=True):
                found[position] = self._complete(row_read, shard_read)
        return found

    def _complete(self, row: dict[str, Any], shard: Shard) -> dict[str, Any]:
        """The columns in their order, with what other shards have and this one has not."""
        if "source" in self.column_names:
            row = {**row, "source": shard.source}
        if "audio" in self.column_names and "audio" not in row:
            row = {**row, "audio": {"bytes": None, "path": None}}
        return {name: row.get(name) for name in self.column_names}

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        """Columns of strings (`text`, `file_name`, labels, `source`) of all rows, without reading a clip.

        Raises:
            ValueError: there is no such column, or it is of video or audio.
        """
        import pyarrow as pa

        wrong = [name for name in names if name not in self.column_names or name in MEDIA_COLUMNS]
        if wrong:
            readable = [name for name in self.column_names if name not in MEDIA_COLUMNS]
            raise ValueError(f"{wrong[0]!r} is no column of strings of these shards; they have {', '.join(readable)}")
        tables = []
        for shard in self.shards:
            table = shard.read_columns([name for name in names if name in shard.column_names])
            for name in names:
                if name not in shard.column_names:
                    value = shard.source if name == "source" else None
                    held = pa.repeat(pa.scalar(value, pa.string()), shard.num_rows)
                    table = table.append_column(pa.field(name, pa.string()), held)
            tables.append(table.select(list(names)))
        if not tables:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return pa.concat_tables(tables)

    def to_iterable_dataset(self) -> "datasets.IterableDataset":
        """The rows as a stream: as many shards as here, so that ranks and workers share them; it resumes in O(1)."""
        from heygen_hf.data.sources.streaming import stream_shards

        return stream_shards(self)
