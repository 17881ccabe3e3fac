"""What a user's `source` names: a folder, files of one kind, a data set of the Hub, or several of these."""

import glob
import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from heygen_hf.data.sources.files import list_files
from heygen_hf.data.sources.folder import SPLIT_NAMES, has_clips, is_split_folder, split_folder
from heygen_hf.data.sources.metadata import find_metadata

Source = str | os.PathLike
EXPECTED = (
    "expected a folder with clips, or with metadata.jsonl (columns file_name and text), shards (*.tar, *.parquet), or "
    "a data set of the Hub (user/dataset)"
)
_COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# Where recipes keep what they make: nobody's name on the Hub that a recipe would mean.
_LOCAL_FOLDERS = ("data", "outputs")


@dataclass(frozen=True)
class Location:
    """One source, found.

    Attributes:
        kind: what it is.
        name: as the user wrote it, for messages.
        paths: the folder, the files, or the Hub's name.
        notes: what was chosen.
    """

    kind: Literal["folder", "parquet", "tar", "hub"]
    name: str
    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()


def is_several(source: "Source | Sequence[Source]") -> bool:
    """Whether the source is a list of sources rather than one, or the files of one."""
    if isinstance(source, str | os.PathLike):
        return False
    kinds = {_suffix_kind(os.fspath(part)) for part in source}
    return len(source) > 1 and (len(kinds) > 1 or None in kinds)


def locate(source: "Source | Sequence[Source]", split: str | None) -> Location:
    """Find out what a source is, and which of its files hold the split.

    Raises:
        ValueError: nothing is there, it is no known kind, or it has no such split.
    """
    if not isinstance(source, str | os.PathLike):
        parts = [os.fspath(part) for part in source]
        if not parts:
            raise ValueError(f"the list of sources is empty; {EXPECTED}")
        if len(parts) == 1:
            return locate(parts[0], split)
        return _locate_files(parts, split)
    name = os.fspath(source)
    if name.startswith("hf://datasets/") and _suffix_kind(name) is None:
        return Location("hub", name, (name.removeprefix("hf://datasets/").strip("/"),))
    if os.path.isdir(name):
        return _locate_folder(Path(name), split)
    if _suffix_kind(name) is not None:
        return _locate_files([name], split)
    if is_missing_locally(name) and _HUB_NAME.fullmatch(name):
        raise ValueError(f"no folder {name}; where a recipe names it, the commands at its top make it. Else {EXPECTED}")
    if not os.path.exists(name) and _HUB_NAME.fullmatch(name):
        return Location("hub", name, (name,))
    if glob.has_magic(name):
        raise ValueError(f"{name} names no .tar or .parquet files; {EXPECTED}")
    raise ValueError(f"{name} {'is a file of no known kind' if os.path.exists(name) else 'does not exist'}; {EXPECTED}")


def is_missing_locally(name: str) -> bool:
    """Whether a name is the path of something local that is not there, rather than a name on the Hub.

    `owner/name` may be either: it is a path where the first part is a folder here, or one that recipes write to.
    """
    if os.path.exists(name):
        return False
    if name.startswith(("/", "./", "../", "~")):
        return True
    if "://" in name:
        return False
    first, *rest = name.rstrip("/").split("/")
    return len(rest) > 1 or (len(rest) == 1 and (first in _LOCAL_FOLDERS or os.path.isdir(first)))


def has_split(source: "Source | Sequence[Source]", split: str) -> bool:
    """Whether a source has this split under its name: a subfolder with metadata or clips, or shards named for it."""
    try:
        if is_several(source) or not isinstance(source, str | os.PathLike):
            return False
        if os.path.isdir(source) and (is_split_folder(Path(source), split) or has_media(Path(source))):
            return is_split_folder(Path(source), split)
        found = locate(source, None)
    except ValueError:
        return False
    return found.kind in ("parquet", "tar") and any(_split_of(path) == split for path in found.paths)


def has_media(folder: Path) -> bool:
    """Whether the folder is one of metadata or clips, not of shards."""
    return find_metadata(folder) is not None or has_clips(folder)


def _suffix_kind(name: str) -> Literal["parquet", "tar"] | None:
    lower = name.lower()
    if lower.endswith((".tar", *_COMPRESSED)):
        return "tar"
    return "parquet" if lower.endswith(".parquet") else None


def _locate_folder(folder: Path, split: str | None) -> Location:
    if not has_media(folder):
        shards = [
            f"{folder}/{name}"
            for name in sorted(list_files(folder).regular)
            if _suffix_kind(name) and not os.path.basename(name).startswith(".")
        ]
        if shards:
            kinds = sorted({str(_suffix_kind(path)) for path in shards})
            if len(kinds) > 1:
                raise ValueError(f"{folder} holds both .tar and .parquet files; name one kind, as {folder}/*.tar")
            return choose_split(str(folder), shards, split)
    chosen = split_folder(folder, split)
    return Location("folder", str(folder), (str(chosen),))


def _locate_files(parts: Sequence[str], split: str | None) -> Location:
    found: list[str] = []
    for part in parts:
        matches = [match for pattern in _expand_braces(part) for match in _expand(pattern)]
        if not matches:
            what = "matches no file" if glob.has_magic(part) or "{" in part else "does not exist"
            raise ValueError(f"{part} {what}; {EXPECTED}")
        found += matches
    found = list(dict.fromkeys(found))
    other = [path for path in found if _suffix_kind(path) != _suffix_kind(found[0])]
    if _suffix_kind(found[0]) is None or other:
        odd = other[0] if other else found[0]
        raise ValueError(f"{odd} is a file of no known kind, or of another than the rest; {EXPECTED}")
    return choose_split(", ".join(parts), found, split)


def _expand(pattern: str) -> list[str]:
    if "://" in pattern:
        import fsspec

        system, path = fsspec.core.url_to_fs(pattern)
        paths = system.glob(path) if glob.has_magic(path) else [path]
        return [system.unstrip_protocol(path) for path in sorted(paths)]
    return sorted(glob.glob(pattern, recursive=True)) if not os.path.exists(pattern) else [pattern]


def _expand_braces(pattern: str) -> list[str]:
    """`shard-{000..012}.tar` as WebDataset's users write it, and `{a,b}`."""
    match = re.search(r"\{([^{}]*)\}", pattern)
    if match is None:
        return [pattern]
    span = re.fullmatch(r"(\d+)\.\.(\d+)", match[1])
    if span is not None:
        width = len(span[1])
        options = [str(number).zfill(width) for number in range(int(span[1]), int(span[2]) + 1)]
    else:
        options = match[1].split(",")
    rests = _expand_braces(pattern[match.end() :])
    return [f"{pattern[: match.start()]}{option}{rest}" for option, rest in itertools.product(options, rests)]


def _split_of(path: str) -> str | None:
    """The split in a shard's name (`validation-00000-of-00002.parquet`) or in that of its folder."""
    parent, name = os.path.split(path)
    match = re.match(rf"({'|'.join(SPLIT_NAMES)})([-_.]|$)", name)
    if match is not None:
        return match[1]
    folder = os.path.basename(parent)
    return folder if folder in SPLIT_NAMES else None


def choose_split(name: str, paths: Sequence[str], split: str | None) -> Location:
    kind = _suffix_kind(paths[0])
    assert kind is not None
    compressed = [path for path in paths if path.lower().endswith(_COMPRESSED)]
    if compressed:
        raise ValueError(
            f"{compressed[0]} is compressed, so no clip in it can be reached without reading all before it; unpack it "
            "to a plain .tar (videos are compressed already)"
        )
    named = {path: _split_of(path) for path in paths}
    splits = sorted({value for value in named.values() if value is not None})
    if split is None or (not splits and split == "train"):
        return Location(kind, name, tuple(paths))
    chosen = tuple(path for path in paths if (named[path] or "train") == split)
    if not chosen:
        has = f"it has {', '.join(splits)}: name one of these, or None for all" if splits else "all of it is 'train'"
        raise ValueError(f"{name} has no split {split!r}; {has}")
    return Location(kind, name, chosen)
