"""The quick way to read large metadata files: Arrow's own readers, which make no Python objects.

They say too little about what is wrong with a file, and turn numbers and dates into something else; so whatever they do
not take as it is, strings in every wanted column and a row a line, is left to the careful reader.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

LARGE_BYTES = 4 * 2**20
"""Smaller files are left to the careful reader."""

BLOCK_BYTES = 8 * 2**20


def read_quickly(path: Path, wanted: Sequence[str]) -> "tuple[list[str], dict[str, pa.ChunkedArray]] | None":
    """The names of all columns and the wanted ones, or None where the careful reader has to look."""
    import pyarrow as pa

    if path.stat().st_size < LARGE_BYTES:
        return None
    try:
        available, table = (_read_jsonl if path.suffix == ".jsonl" else _read_csv)(path, wanted)
        table.validate(full=True)
    except (pa.ArrowException, ValueError, RecursionError, StopIteration, csv.Error):
        return None
    columns = {name: table[name] for name in wanted if name in table.column_names}
    if not columns or any(column.null_count for column in columns.values()):
        return None
    return available, columns


def _read_jsonl(path: Path, wanted: Sequence[str]) -> "tuple[list[str], pa.Table]":
    import pyarrow as pa
    from pyarrow import json as arrow_json

    with path.open("rb") as file:
        available = list(json.loads(file.readline()))
        file.seek(0)
        num_lines, last = 0, b"\n"
        while block := file.read(BLOCK_BYTES):
            num_lines += block.count(b"\n")
            last = block[-1:]
    schema = pa.schema([(name, pa.string()) for name in wanted])
    table = arrow_json.read_json(
        path,
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
    )
    if table.num_rows != num_lines + (last != b"\n"):
        raise ValueError("blank lines, or several objects on one")
    # the first line need not have all keys; a column of the schema that no line has is all null
    absent = [name for name in wanted if name not in available and table[name].null_count == table.num_rows]
    return [*available, *(name for name in wanted if name not in [*available, *absent])], table.drop_columns(absent)


def _read_csv(path: Path, wanted: Sequence[str]) -> "tuple[list[str], pa.Table]":
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        available = next(csv.reader(file))
    found = [name for name in wanted if name in available]
    if len(set(available)) != len(available) or not found:
        raise ValueError("two columns of one name, or none that is wanted")
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(found, pa.string()), include_columns=found, strings_can_be_null=False
        ),
    )
    return available, table
