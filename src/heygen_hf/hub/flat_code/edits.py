"""Changes to a text at places that its syntax tree names; all that is not changed stays, comments included."""

import ast
import re
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple


class Edit(NamedTuple):
    """Characters from `start` to `end` become `text`."""

    start: int
    end: int
    text: str


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made.

    Raises:
        ValueError: two of them overlap.
    """
    parts, position = [], 0
    for edit in sorted(set(edits)):
        if edit.start < position:
            raise ValueError(f"two changes meet at {text[edit.start : edit.end]!r}")
        parts += [text[position : edit.start], edit.text]
        position = edit.end
    return "".join([*parts, text[position:]])


def span_of(text: str, node: ast.AST, name: str | None) -> tuple[int, int]:
    """Where a node stands, or with `name` where the name in it does: behind `def` and `class`, for example."""
    start = _offset(text, node.lineno, node.col_offset)  # type: ignore[attr-defined]
    end = _offset(text, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    if name is None:
        return start, end
    if text[start:end] == name:
        return start, end
    found = re.compile(rf"(?:async\s+)?(?:def|class|global)\s+(?:.*?\b)??{re.escape(name)}\b").match(text, start)
    if found is None:
        raise ValueError(f"{name} is not where the syntax tree has it, at line {node.lineno}")  # type: ignore[attr-defined]
    return found.end() - len(name), found.end()


def whole_lines(text: str, node: ast.AST, replacement: str) -> Edit:
    """A statement, with the line that it leaves empty."""
    start, end = span_of(text, node, None)
    if not replacement and text[end : end + 1] == "\n":
        end += 1
    return Edit(start, end, replacement)


def _offset(text: str, line: int, column_bytes: int) -> int:
    start, content = _lines(text)[line - 1]
    return start + len(content.encode()[:column_bytes].decode())


@cache
def _lines(text: str) -> list[tuple[int, str]]:
    """Each line, and where it starts."""
    found, start = [], 0
    for line in text.split("\n"):
        found.append((start, line))
        start += len(line) + 1
    return found
