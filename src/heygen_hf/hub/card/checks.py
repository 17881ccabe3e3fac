"""The checks in a run's `checks.json` as its card shows them: who is served worst, what breaks it, what it repeats.

They are read as they are found: what is missing is not shown, and what is no check is left out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHECKS_FILE = "checks.json"


@dataclass(frozen=True, kw_only=True)
class CardCheck:
    """One check.

    Attributes:
        title: of its table.
        summary: what it found, in a sentence or two.
        columns, rows: the table, as texts.
        notes: what must be known to read it.
        files: pictures, relative to the run's folder.
        source: the JSON file that holds it.
    """

    title: str
    summary: str | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    source: str = CHECKS_FILE


def checks_in(folder: str | Path) -> list[CardCheck]:
    """What `checks.json` holds; nothing where it is not there."""
    folder = Path(folder)
    try:
        values = json.loads((folder / CHECKS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    checks = values.get("checks") if isinstance(values, Mapping) else None
    entries = list(checks.values()) if isinstance(checks, Mapping) else checks
    return [_check(entry, folder) for entry in _list(entries) if isinstance(entry, Mapping) and "title" in entry]


def _check(entry: Mapping[str, Any], folder: Path) -> CardCheck:
    columns = _texts(entry.get("columns"))
    rows = [_texts(row) for row in _list(entry.get("rows"))]
    pictures = [name for name in _texts(entry.get("files")) if name.endswith((".png", ".gif", ".jpg"))]
    inside = folder.resolve()
    return CardCheck(
        title=str(entry["title"]),
        summary=str(entry["summary"]) if entry.get("summary") else None,
        columns=columns,
        rows=tuple(row for row in rows if len(row) == len(columns)),
        notes=_texts(entry.get("notes")),
        files=tuple(n for n in pictures if (folder / n).is_file() and (folder / n).resolve().is_relative_to(inside)),
    )


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(value) for value in _list(values))


def _list(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else []
