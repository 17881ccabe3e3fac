"""What lies below a folder, and which paths stay inside it."""

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

VIDEO_SUFFIXES = frozenset(
    ("3gp", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "ts", "webm", "wmv")
)
AUDIO_SUFFIXES = frozenset(("aac", "flac", "m4a", "mp3", "ogg", "opus", "wav", "wma"))


def suffix_of(name: str) -> str:
    """Lower-case suffix without the dot."""
    return PurePosixPath(name).suffix.lower().lstrip(".")


def is_clip(name: str) -> bool:
    """Whether the name is a clip's; hidden files are not (macOS leaves a `._clip.mp4` beside each `clip.mp4`)."""
    return suffix_of(name) in VIDEO_SUFFIXES and not PurePosixPath(name).name.startswith(".")


def printable(name: str) -> str:
    """A file name as a valid string; the bytes of one that is not UTF-8 as `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


@dataclass
class FolderFiles:
    """Everything below a folder, listed once; links are not followed and nothing is opened.

    Attributes:
        root: the folder, itself without links.
        regular: relative names, with forward slashes, of regular files.
        special: of pipes, sockets and devices, which nobody must open.
        links: of symbolic links, to files or folders.
        folders: of real subfolders.
        closed: of subfolders that cannot be listed.
    """

    root: str
    regular: set[str] = field(default_factory=set)
    special: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    closed: list[str] = field(default_factory=list)

    def resolve(self, name: str | None) -> str | None:
        """Absolute path of a row's file, None where it would lie outside the folder (or the row names none).

        Only links and names with `..` cost a look at the file system; a file that does not exist costs none.
        """
        if not name or "\0" in name:
            return None
        if name in self.regular:
            return f"{self.root}/{name}"
        parts = name.split("/")
        if parts[0] == "" or ".." in parts or "." in parts or "\\" in name:
            return None if PurePath(name).is_absolute() else resolve_inside(self.root, name)
        parent = ""
        for part in parts:
            parent = f"{parent}/{part}" if parent else part
            if parent in self.links:
                return resolve_inside(self.root, name)
            if parent not in self.folders:
                break  # a file, or nothing: nothing below it can be a link
        return f"{self.root}/{name}" if parts[-1] else None

    def is_readable_file(self, name: str) -> bool:
        """Whether the name is a regular file, or a link to one inside the folder."""
        if name in self.regular:
            return True
        path = self.resolve(name) if name in self.links else None
        return path is not None and os.path.isfile(path)


def resolve_inside(root: str, name: str) -> str | None:
    """Absolute path of a file of the folder `root` (given without links), None where it would lie outside."""
    if not name or "\0" in name:
        return None
    resolved = os.path.realpath(os.path.join(root, name))
    return resolved if Path(resolved).is_relative_to(root) and resolved != root else None


def list_files(folder: str | os.PathLike, *, without: Collection[str] = ()) -> FolderFiles:
    """List a folder and all of its subfolders but the hidden ones and those named in `without`."""
    files = FolderFiles(root=os.path.realpath(folder))
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(f"{files.root}/{prefix}") as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_symlink():
                        files.links.add(name)
                    elif entry.is_dir(follow_symlinks=False):
                        files.folders.add(name)
                        if not entry.name.startswith(".") and name not in without:
                            waiting.append(name + "/")
                    elif entry.is_file(follow_symlinks=False):
                        files.regular.add(name)
                    else:
                        files.special.add(name)
        except OSError:
            files.closed.append(prefix.rstrip("/") or ".")
    files.closed.sort()
    return files
