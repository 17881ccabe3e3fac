"""What files are called in the repository: names that every system takes, and folders that the Hub takes."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

MAX_ENTRIES_PER_FOLDER = 10_000  # the Hub's limit
_PER_SUBFOLDER = 1_000
_ODD = re.compile(r"[^\w.()+=, -]|^[. -]|^__|[. ]$")  # loaders pass over hidden files and `__folders`
_MOST_BYTES = 200


def repository_names(
    names: Sequence[str], *, max_entries: int = MAX_ENTRIES_PER_FOLDER
) -> tuple[dict[str, str], list[str]]:
    """New names for files of one split.

    Args:
        names: relative, with forward slashes, each once.
        max_entries: that one folder may hold.

    Returns:
        Old name -> new name, and notes on those that changed.
    """
    notes = []
    found = {name: name for name in names}
    odd = [name for name in names if not _is_plain(name)]
    # Where two differ in their case alone, one system's two files are another's one.
    folded = Counter(name.casefold() for name in names)
    odd += [name for name in names if folded[name.casefold()] > 1 and name not in odd]
    taken = {name.casefold() for name in names}
    for number, name in enumerate(odd):
        suffix = PurePosixPath(name).suffix.lower()
        new = f"renamed-{number:05d}{suffix if _is_plain('a' + suffix) else ''}"
        while new in taken:
            new = f"renamed-{new}"
        taken.add(new)
        found[name] = new
    if odd:
        notes.append(f"{len(odd)} files have new names: theirs are not the same on every system")
    entries = Counter(str(PurePosixPath(name).parent) for name in found.values())
    folders = {folder for name in found.values() for folder in PurePosixPath(name).parents}
    entries.update(str(folder.parent) for folder in folders if str(folder) != ".")
    entries["."] += 1  # the metadata
    if max(entries.values()) > max_entries:
        per_folder = max(1, min(_PER_SUBFOLDER, max_entries // 2))
        digits = len(str(len(names) // per_folder))
        used: set[str] = set()
        for number, (old, new) in enumerate(found.items()):
            place = f"{number // per_folder:0{digits}d}/{PurePosixPath(new).name}"
            if place.casefold() in used:
                place = f"{number // per_folder:0{digits}d}/{number:07d}{PurePosixPath(new).suffix}"
            used.add(place.casefold())
            found[old] = place
        notes.append(f"files are in subfolders of {per_folder:,}: the Hub takes {max_entries:,} in a folder")
    return found, notes


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    return all(
        part and not _ODD.search(part) and len(part.encode()) <= _MOST_BYTES for part in parts
    ) and unicodedata.is_normalized("NFC", name)
