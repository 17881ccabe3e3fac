"""Read `metadata.jsonl` or `metadata.csv` into rows, with the line number in every complaint."""

import csv
import json
from pathlib import Path
from typing import Any

METADATA_NAMES = ("metadata.jsonl", "metadata.csv")
"""In the order in which they are looked for."""


def find_metadata(folder: Path) -> Path | None:
    """The metadata file of a folder, None where there is none."""
    return next((folder / name for name in METADATA_NAMES if (folder / name).is_file()), None)


def read_metadata(path: Path) -> list[dict[str, Any]]:
    """All rows of a metadata file.

    Raises:
        ValueError: it is not UTF-8, a line is malformed, it has no rows, or a row has no `file_name`.
    """
    try:
        rows = _read_jsonl(path) if path.suffix == ".jsonl" else _read_csv(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if not rows:
        raise ValueError(f"{path} has no rows; expected one for each clip, with file_name and a caption")
    if not any("file_name" in row for row in rows):
        raise ValueError(f"{path} has no column file_name (it has {', '.join(column_names(rows))}); add or rename it")
    return rows


def column_names(rows: list[dict[str, Any]]) -> list[str]:
    """The columns of all rows, in the order in which they first appear."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _read_jsonl(path: Path) -> list[dict[str, Any]]:
    rows = []
    with path.open(encoding="utf-8-sig") as lines:  # -sig: some editors put a byte order mark in front
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path} line {number} is not JSON ({error.msg} at column {error.colno})") from None
            if not isinstance(row, dict):
                raise ValueError(
                    f'{path} line {number} is {type(row).__name__}; expected {{"file_name": …, "text": …}}'
                )
            rows.append(row)
    return rows


def _read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        rows = []
        for row in reader:
            if None in row:
                raise ValueError(
                    f"{path} line {reader.line_num} has more fields than the header; put captions with commas in quotes"
                )
            rows.append(row)
    return rows
