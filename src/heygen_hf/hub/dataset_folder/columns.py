"""One kind for every column, in every row of every split: what `load_dataset` asks of metadata."""

from collections.abc import Iterable
from typing import Any

_TAKEN = ("video", "file_names", "videos")


def uniform_rows(splits: Iterable[list[dict[str, Any]]], *, caption_column: str) -> tuple[list[str], list[str]]:
    """Bring the values of all rows to one kind a column, in place.

    A column that some rows lack is there in all of them; whole and broken numbers become broken ones; a column of
    several kinds, or of numbers that a whole split lacks, becomes strings.

    Args:
        splits: the rows of each split.
        caption_column: is a string always.

    Returns:
        The columns, the caption first, and notes on those that changed.

    Raises:
        ValueError: a column that `load_dataset` takes for something else.
    """
    splits = list(splits)
    kinds: dict[str, list[set[str]]] = {caption_column: [set() for _ in splits]}
    for number, rows in enumerate(splits):
        for row in rows:
            for name, value in row.items():
                kinds.setdefault(name, [set() for _ in splits])[number].add(_kind(value))
    refused = [name for name in kinds if name in _TAKEN or name.endswith(("_file_name", "_file_names"))]
    if refused:
        raise ValueError(
            f"the metadata has a column {refused[0]!r}, which load_dataset takes for a file of the data set: rename "
            "it, or leave it out with --leave-out."
        )
    notes = []
    final = {}
    for name, per_split in kinds.items():
        found = set().union(*per_split) - {"none"}
        if not found and name != caption_column:
            notes.append(f"column {name!r} is empty in every row and left out")
            continue
        kind = found.pop() if len(found) == 1 else "float" if found == {"int", "float"} else "str"
        lacking = any(rows and not held - {"none"} for rows, held in zip(splits, per_split, strict=True))
        if lacking and kind != "str":
            kind = "str"
        if name == caption_column:
            kind = "str"
        if kind == "str" and found:
            notes.append(f"column {name!r} holds values of several kinds, or none in a split: all of them are strings")
        final[name] = kind
    for rows in splits:
        for row in rows:
            values = {name: _as(row.get(name), kind) for name, kind in final.items()}
            row.clear()
            row.update(values)
    return list(final), notes


def _kind(value: Any) -> str:
    if value is None:
        return "none"
    return type(value).__name__


def _as(value: Any, kind: str) -> Any:
    if kind == "str":
        return "" if value is None else value if isinstance(value, str) else str(value)
    return float(value) if kind == "float" and value is not None else value
