"""Read the wanted columns of `metadata.jsonl`, `.csv` or `.parquet` into Arrow, with the line in every complaint."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_hf.data.sources.columns import to_strings, to_text
from heygen_hf.data.sources.metadata_arrow import read_quickly

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

METADATA_NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
"""In the order in which they are looked for."""

ROWS_PER_CHUNK = 65_536
"""Rows that are Python objects at one time; everything else is Arrow."""


@dataclass
class Metadata:
    """The wanted columns of a metadata file as strings, "" where a row has none.

    Attributes:
        path: of the file.
        available: the names of all of its columns.
        columns: the wanted ones among them, of equal length.
        mended: per column, the rows whose string was not valid Unicode and has replacement characters now.
    """

    path: Path
    available: list[str]
    columns: "dict[str, pa.ChunkedArray]" = field(default_factory=dict)
    mended: dict[str, list[int]] = field(default_factory=dict)


def find_metadata(folder: Path) -> Path | None:
    """The metadata file of a folder, None where there is none."""
    return next((folder / name for name in METADATA_NAMES if (folder / name).is_file()), None)


def read_metadata(path: Path, wanted: Sequence[str]) -> Metadata:
    """The wanted columns of a metadata file, those that it has.

    Raises:
        ValueError: it is not UTF-8, a line is malformed, a column has two columns' name, or there are no rows.
    """
    read: dict[str, Callable[[Path, Sequence[str]], Metadata]] = {
        ".jsonl": _read_jsonl,
        ".csv": _read_csv,
        ".parquet": _read_parquet,
    }
    wanted = tuple(dict.fromkeys(wanted))
    try:
        quick = None if path.suffix == ".parquet" else read_quickly(path, wanted)
        metadata = Metadata(path, *quick) if quick is not None else read[path.suffix](path, wanted)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); check its permissions") from None
    if not metadata.available or (metadata.columns and not len(next(iter(metadata.columns.values())))):
        raise ValueError(f"{path} has no rows; expected one for each clip, with file_name and a caption")
    return metadata


class _Builder:
    """Collects rows a chunk at a time, so that a million of them are never Python objects together."""

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self.metadata = Metadata(path, [])
        self._chunks: dict[str, list[pa.Array]] = {name: [] for name in wanted}
        self._lists: dict[str, list[str]] = {name: [] for name in wanted}
        self._num_rows = self._num_held = 0

    def add(self, values: Sequence[Any]) -> None:
        for held, value in zip(self._lists.values(), values, strict=True):
            held.append(value if type(value) is str else to_text(value))
        self._num_held += 1
        if self._num_held == ROWS_PER_CHUNK:
            self._flush()

    def _flush(self) -> None:
        for name, held in self._lists.items():
            array, changed = to_strings(held)
            self._chunks[name].append(array)
            if changed:
                self.metadata.mended.setdefault(name, []).extend(self._num_rows + row for row in changed)
            held.clear()
        self._num_rows += self._num_held
        self._num_held = 0

    def finish(self, available: Sequence[str]) -> Metadata:
        import pyarrow as pa

        if self._num_held:
            self._flush()
        self.metadata.available = list(available)
        self.metadata.columns = {
            name: pa.chunked_array(chunks, pa.string()) for name, chunks in self._chunks.items() if name in available
        }
        return self.metadata


def _decoded_lines(path: Path) -> Iterator[str]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:  # -sig: some editors put a byte order mark in front
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{path} line {number} is not UTF-8 text (byte {error.start}); save it as UTF-8"
                ) from None


def _read_jsonl(path: Path, wanted: Sequence[str]) -> Metadata:
    builder, available = _Builder(path, wanted), dict[str, None]()
    for number, line in enumerate(_decoded_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} line {number} is not JSON ({error.msg} at column {error.colno})") from None
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} line {number} is not JSON that can be read ({error})") from None
        if not isinstance(row, dict):
            raise ValueError(f'{path} line {number} is {type(row).__name__}; expected {{"file_name": …, "text": …}}')
        available.update(dict.fromkeys(row))
        builder.add([row.get(name) for name in wanted])
    return builder.finish(list(available))


def _read_csv(path: Path, wanted: Sequence[str]) -> Metadata:
    builder = _Builder(path, wanted)
    reader = csv.reader(_decoded_lines(path))
    try:
        header = next(reader, [])
        _refuse_repeated(path, header)
        places = [header.index(name) if name in header else -1 for name in wanted]
        for row in reader:
            if not row:
                continue
            if len(row) > len(header):
                raise ValueError(
                    f"{path} line {reader.line_num} has more fields than the header; put captions with commas in quotes"
                )
            builder.add([row[place] if 0 <= place < len(row) else "" for place in places])
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num} is not CSV ({error}); put captions in quotes") from None
    return builder.finish(header)


def _read_parquet(path: Path, wanted: Sequence[str]) -> Metadata:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        _refuse_repeated(path, file.schema_arrow.names)
        available = list(file.schema_arrow.names) if file.metadata.num_rows else []
        found = [name for name in wanted if name in file.schema_arrow.names]
        columns = _plain_columns(file, found)
        if columns is not None:
            return Metadata(path, available, columns)
        builder = _Builder(path, wanted)
        for batch in file.iter_batches(ROWS_PER_CHUNK, columns=found):
            lists = [_python_values(batch[name]) if name in found else [None] * len(batch) for name in wanted]
            for values in zip(*lists, strict=True):
                builder.add(values)
        return builder.finish(available)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is not a Parquet file that can be read ({reason}); write it again") from None


def _plain_columns(file: "pq.ParquetFile", names: Sequence[str]) -> "dict[str, pa.ChunkedArray] | None":
    """Columns of strings, which never become Python objects; None where one is of another type or not valid text."""
    import pyarrow as pa

    if not all(pa.types.is_string(file.schema_arrow.field(name).type) for name in names):
        return None
    chunks: dict[str, list[pa.Array]] = {name: [] for name in names}
    for batch in file.iter_batches(ROWS_PER_CHUNK, columns=names):
        if not _is_valid(batch):
            return None
        for name in names:
            chunks[name].append(batch[name].fill_null(""))
    return {name: pa.chunked_array(chunks[name], pa.string()) for name in names}


def _is_valid(batch: Any) -> bool:
    """Whether all strings are UTF-8; Parquet files can hold any bytes."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _python_values(array: Any) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        held = array.cast(pa.binary() if pa.types.is_string(array.type) else pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in held]
    values: list[Any] = array.to_pylist()
    return values


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise ValueError(f"{path} has two columns {repeated[0]!r}; rename one of them")
