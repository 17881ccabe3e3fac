"""Parquet files with a column of clips: embedded bytes, or paths beside the file."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heygen_hf.data.sources.columns import to_text
from heygen_hf.data.sources.files import resolve_inside
from heygen_hf.data.sources.recently_used import OPEN_FILES, ROW_GROUPS

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class ParquetColumns:
    """Which column is which in one file."""

    video: str
    caption: str | None
    labels: tuple[str, ...]
    audio: str | None
    file_name: str | None
    class_names: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def all(self) -> list[str]:
        names = [self.video, self.caption, *self.labels, self.audio, self.file_name]
        return list(dict.fromkeys(name for name in names if name))


@dataclass(frozen=True)
class ParquetShard:
    """Consecutive row groups of a file.

    Attributes:
        path: of the file.
        file: its name in reports.
        name: of the shard: the file's, and its rows where the file has several shards.
        columns: which is which.
        row_groups: numbers of the row groups.
        group_rows: rows in each.
        first_row: number of its first row in the file.
        stamp: size and time of the file, so that a changed one is not read from memory.
        source: of a mixture.
    """

    path: str
    file: str
    name: str
    columns: ParquetColumns
    row_groups: tuple[int, ...]
    group_rows: tuple[int, ...]
    first_row: int
    stamp: tuple[int, int]
    source: str | None = None

    @property
    def num_rows(self) -> int:
        return sum(self.group_rows)

    @property
    def column_names(self) -> list[str]:
        return ["video", "text", *self.columns.labels, *(["audio"] if self.columns.audio else []), "file_name"]

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.path, self.stamp, self.columns, self.row_groups, self.first_row)

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        return [self._row(*self._place(row), row) for row in rows]

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        import pyarrow as pa

        chosen = self.columns
        kept = [chosen.caption] if "text" in names and chosen.caption is not None else []
        kept += [name for name in chosen.labels if name in names]
        columns = list(dict.fromkeys(kept))
        with OPEN_FILES.lock:
            file = self._opened()
            name_column = self._name_column(file)
            if "file_name" in names and name_column is not None:
                columns.append(name_column)
            table = file.read_row_groups(list(self.row_groups), columns=columns)
        found: dict[str, list[str]] = {}
        for name in names:
            if name == "file_name":
                found[name] = self._file_names(table)
            elif name == "text":
                texts = [""] * self.num_rows if chosen.caption is None else _strings(table[chosen.caption])
                found[name] = texts
            else:
                found[name] = [self._label(name, _value(table[name], row)) for row in range(self.num_rows)]
        return pa.table({name: pa.array(values, pa.string()) for name, values in found.items()})

    def _name_column(self, file: "pq.ParquetFile") -> str | None:
        if self.columns.file_name:
            return self.columns.file_name
        import pyarrow as pa

        kind = file.schema_arrow.field(self.columns.video).type
        return f"{self.columns.video}.path" if pa.types.is_struct(kind) and kind.get_field_index("path") >= 0 else None

    def _file_names(self, table: "pa.Table") -> list[str]:
        if self.columns.file_name:
            given = _strings(table[self.columns.file_name])
        elif self.columns.video in table.column_names:
            given = [to_text((value or {}).get("path")) for value in table[self.columns.video].to_pylist()]
        else:
            given = [""] * self.num_rows
        return [name or f"{self.file}:{self.first_row + row}" for row, name in enumerate(given)]

    def _place(self, row: int) -> tuple[int, int]:
        for number, rows in enumerate(self.group_rows):
            if row < rows:
                return number, row
            row -= rows
        raise IndexError(f"{self.name} has {self.num_rows} rows")

    def _opened(self) -> "pq.ParquetFile":
        return OPEN_FILES.get(("parquet", self.path, self.stamp), lambda: open_parquet(self.path))

    def _table(self, number: int) -> "pa.Table":
        group = self.row_groups[number]
        with OPEN_FILES.lock:
            return ROW_GROUPS.get(
                (self.path, self.stamp, group, self.columns),
                lambda: self._opened().read_row_group(group, columns=self.columns.all),
                size=lambda table: int(table.nbytes),
            )

    def _row(self, number: int, within: int, row: int) -> dict[str, Any]:
        table = self._table(number)
        values = {name: _value(table[name], within) for name in self.columns.all}
        chosen = self.columns
        video = self._media(values[chosen.video])
        found: dict[str, Any] = {"video": video, "text": "" if not chosen.caption else to_text(values[chosen.caption])}
        for name in chosen.labels:
            found[name] = self._label(name, values[name])
        if chosen.audio:
            found["audio"] = self._media(values[chosen.audio])
        named = to_text(values[chosen.file_name]) if chosen.file_name else to_text(_path_of(values[chosen.video]))
        found["file_name"] = named or f"{self.file}:{self.first_row + row}"
        return found

    def _label(self, name: str, value: Any) -> str:
        names = dict(self.columns.class_names).get(name)
        if names is not None and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        return to_text(value)

    def _media(self, value: Any) -> dict[str, Any]:
        """Bytes as they are; a path only where it stays in the file's folder, and the contents of a remote one."""
        contents = value if isinstance(value, bytes) else value.get("bytes") if isinstance(value, dict) else None
        path = _path_of(value)
        if contents is not None or not path:
            return {"bytes": contents, "path": path}
        folder = os.path.dirname(self.path)
        if "://" not in self.path:
            return {"bytes": None, "path": resolve_inside(os.path.realpath(folder), path)}
        if path.startswith("/") or ".." in path.split("/") or ("://" in path and not path.startswith("hf://")):
            return {"bytes": None, "path": None}
        import fsspec

        url = path if path.startswith("hf://") else f"{folder}/{path}"
        with fsspec.open(url, "rb") as file:
            return {"bytes": file.read(), "path": url}


def open_parquet(path: str) -> "pq.ParquetFile":
    """Open one file.

    Raises:
        ValueError: it is not there, or not Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if "://" not in path:
            return pq.ParquetFile(path)
        import fsspec

        system, inner = fsspec.core.url_to_fs(path)
        return pq.ParquetFile(system.open(inner, "rb"))
    except (pa.ArrowException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{path} is not a Parquet file that can be read ({reason}); write or download it again"
        ) from None


def _path_of(value: Any) -> str | None:
    path = value.get("path") if isinstance(value, dict) else value
    return path if isinstance(path, str) else None


def _value(column: "pa.ChunkedArray", row: int) -> Any:
    """One value; a string that is not UTF-8 has replacement characters where it is not."""
    scalar = column[row]
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return bytes(scalar.as_buffer()).decode("utf-8", "replace")


def _strings(column: "pa.ChunkedArray") -> list[str]:
    return [to_text(_value(column, row)) for row in range(len(column))]
