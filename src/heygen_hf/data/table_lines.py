"""Lines and rows of a text file whose captions may hold anything.

`str.splitlines` also splits at U+2028, U+0085 and other characters, which JSON strings and CSV cells hold as they are.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path


def read_lines(file: Path) -> list[str]:
    """The lines of a text file, split at line ends alone; what is no UTF-8 is replaced."""
    lines = _read(file).split("\n")
    return lines if lines[-1] else lines[:-1]


def read_csv_rows(file: Path) -> Iterator[dict[str, str]]:
    """The rows under a CSV file's first line; a cell in quotes may hold any line end.

    Raises:
        ValueError: it is no CSV.
    """
    reader = csv.DictReader(io.StringIO(_read(file), newline=""))
    try:
        yield from reader
    except csv.Error as error:
        raise ValueError(f"{file} line {reader.line_num} is not CSV ({error}); put captions in quotes") from None


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig", errors="replace")
