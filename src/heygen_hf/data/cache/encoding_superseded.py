"""Caches that nobody fills any more, to list and, when asked, to delete."""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.data.cache.encoding_key import FORMAT_VERSION
from heygen_hf.data.cache.encoding_shard import read_json
from heygen_hf.data.cache.encoding_store import DESCRIPTION_FILE, EncodingCache
from heygen_hf.data.report import name_some

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class OtherCache:
    """A cache of the same kind that another encoder, other settings or another version made.

    Attributes:
        folder: of the cache.
        difference: what it was made with, as the end of "it has ...".
        num_bytes: on disk.
    """

    folder: Path
    difference: str
    num_bytes: int

    def summary(self) -> str:
        """One line to print."""
        return f"{self.folder.name} ({self.num_bytes / 2**20:.1f} MiB) has {self.difference}"

    def delete(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.folder)


def list_other_caches(cache: EncodingCache) -> list[OtherCache]:
    """Caches beside this one, of its kind, that it does not use; they may belong to another recipe."""
    others = []
    for folder in sorted(cache.folder.parent.glob(f"{cache.kind}-*")):
        if folder != cache.folder and folder.is_dir():
            others.append(
                OtherCache(
                    folder=folder,
                    difference=_difference(cache.description, read_json(folder / DESCRIPTION_FILE)),
                    num_bytes=_size_of(folder),
                )
            )
    return others


def _difference(ours: dict[str, Any], theirs: dict[str, Any] | None) -> str:
    if theirs is None:
        return "a description that cannot be read"
    if theirs.get("format") != FORMAT_VERSION:
        return f"version {theirs.get('format')!r} of the format (this one writes {FORMAT_VERSION})"
    found = []
    if theirs.get("encoder_hash") != ours["encoder_hash"]:
        found.append("another encoder")
    if theirs.get("dtype") != ours["dtype"]:
        found.append(f"dtype {theirs.get('dtype')}")
    settings = theirs.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    names = sorted(
        name for name in settings.keys() | ours["settings"].keys() if settings.get(name) != ours["settings"].get(name)
    )
    if names:
        found.append(f"other settings ({name_some(names)})")
    return " and ".join(found) or "another description"


def _size_of(folder: Path) -> int:
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            total += (Path(directory) / name).lstat().st_size
    return total
