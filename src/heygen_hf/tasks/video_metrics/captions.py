"""Captions of the videos of a folder: `metadata.jsonl`, `metadata.csv`, or a `.txt` file beside each video."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from heygen_hf.data.table_lines import read_csv_rows, read_lines

_TABLES = ("metadata.jsonl", "metadata.csv")


def captions_of(folder: Path, paths: Sequence[Path]) -> list[str] | None:
    """One of each video; None where some have none.

    Where a video has a caption in several places, the first of them counts: metadata.jsonl, metadata.csv, `.txt`.
    """
    tables = [_read_table(folder / name) for name in _TABLES]
    found = []
    for path in paths:
        name = path.relative_to(folder).as_posix()
        text = next((table[name] for table in tables if name in table), None) or _read_beside(path)
        if text is None:
            return None
        found.append(text)
    return found


def _read_beside(path: Path) -> str | None:
    beside = path.with_suffix(".txt")
    if not beside.is_file():
        return None
    text = beside.read_text(encoding="utf-8-sig", errors="replace").strip()
    return text or None


def _read_table(file: Path) -> dict[str, str]:
    """File name → caption, of the rows that have one."""
    found = {}
    for number, row in _rows(file) if file.is_file() else ():
        if row is None:
            print(f"warning: {file.name} line {number} cannot be read and is left out")
            continue
        name, text = row.get("file_name"), row.get("text")
        if isinstance(name, str) and isinstance(text, str) and text.strip():
            found[name] = text
    return found


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, object] | None]]:
    """Line number and row; None of a line that cannot be read."""
    if file.suffix == ".csv":
        yield from enumerate(read_csv_rows(file), 2)
        return
    for number, line in enumerate(read_lines(file), 1):
        try:
            row = json.loads(line) if line.strip() else {}
            yield number, row if isinstance(row, dict) else None
        except ValueError:
            yield number, None
