"""What a folder's files are, by hash: what was exported, what was checked, and that nothing else is pushed."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from heygen_hf.hub.repo_folder.exported import read_export

MARK = ".repository"


@dataclass(frozen=True)
class Manifest:
    """Every file of a repository's folder.

    Attributes:
        hashes: relative path -> SHA-256 of its content.
        blobs: relative path -> git's name of the content, which the Hub tells of small files.
    """

    hashes: dict[str, str]
    blobs: dict[str, str]

    def changed(self, folder: Path) -> list[str]:
        """Files that are not as they were, or are new, or gone."""
        now = {name: hash_file(path) for name, path in _files(folder).items()}
        return sorted(name for name in self.hashes.keys() | now.keys() if self.hashes.get(name) != now.get(name))


def take_manifest(folder: Path) -> Manifest:
    """Hash every file of a folder, the mark of a repository's folder left out."""
    files = _files(folder)
    return Manifest(
        {name: hash_file(path) for name, path in files.items()}, {name: _blob(path) for name, path in files.items()}
    )


def _files(folder: Path) -> dict[str, Path]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARK)
    return {path.relative_to(folder).as_posix(): path for path in found}


def hash_model_files(folder: Path) -> dict[str, str]:
    """SHA-256 of the files that loading an exported model reads; an export writes them beside its reference."""
    return {name: hash_file(folder / name) for name in read_export(folder).model_files()}


def hash_file(path: Path) -> str:
    """SHA-256 of a file's content, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _blob(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
