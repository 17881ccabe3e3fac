"""Names of files beside a card."""

import re
from pathlib import PurePosixPath
from urllib.parse import quote

from heygen_hf.hub.card.text import escape_markdown, one_line


def relative_path(path: str) -> str:
    """The path, if it leads to something inside the run folder.

    Raises:
        ValueError: it does not.
    """
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or re.match(r"[A-Za-z]:", path) or not parts.parts:
        raise ValueError(f"path {path!r} must be relative to the run folder, inside it, with forward slashes.")
    return str(parts)


def link_target(path: str) -> str:
    """Percent-encoded: no name of a file can leave the brackets."""
    return quote(relative_path(path), errors="replace")


def code_span(path: str) -> str:
    """A file's name as code, if that shows it as it is."""
    plain = one_line(path)
    return escape_markdown(plain) if "`" in plain or "|" in plain else f"`{plain}`"
