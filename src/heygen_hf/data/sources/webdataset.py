"""WebDataset tars: an index of where each clip lies, made in one pass over the headers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from heygen_hf.data.sources.recently_used import OPEN_FILES

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class TarShard:
    """The clips of one tar: places in the file and strings; a row is one read.

    Attributes:
        path: of the tar.
        name: in reports.
        strings: columns `text`, `file_name` and the labels.
        video_places: `(rows, 2)`, offset and size.
        audio_places: the same, -1 where a clip has no sound; None where none has.
        audio_names: names of the sounds; None where none has.
        stamp: size and time of the file.
        source: of a mixture.
    """

    path: str
    name: str
    strings: "pa.Table"
    video_places: np.ndarray = field(repr=False)
    audio_places: np.ndarray | None = field(default=None, repr=False)
    audio_names: tuple[str | None, ...] | None = field(default=None, repr=False)
    stamp: tuple[int, int] = (0, 0)
    source: str | None = None

    @property
    def num_rows(self) -> int:
        return len(self.video_places)

    @property
    def column_names(self) -> list[str]:
        strings = [name for name in self.strings.column_names if name != "file_name"]
        return ["video", *strings, *(["audio"] if self.audio_places is not None else []), "file_name"]

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.path, self.stamp, *self.column_names, *self.strings["text"].to_pylist()[:1])

    def read(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        found = []
        for row in rows:
            strings = self.strings.slice(row, 1).to_pylist()[0]
            file_name = strings.pop("file_name")
            result = {"video": {"bytes": self._bytes(self.video_places[row]), "path": file_name}, **strings}
            if self.audio_places is not None and self.audio_names is not None:
                result["audio"] = {"bytes": self._bytes(self.audio_places[row]), "path": self.audio_names[row]}
            found.append({**result, "file_name": file_name})
        return found

    def read_columns(self, names: Sequence[str]) -> "pa.Table":
        return self.strings.select(list(names))

    def _bytes(self, place: np.ndarray) -> bytes | None:
        offset, size = (int(value) for value in place)
        return None if offset < 0 else read_at(self.path, offset, size, stamp=self.stamp)


def read_at(path: str, offset: int, size: int, *, stamp: tuple[int, int]) -> bytes:
    """Bytes of a file, local or not, by their place; the file stays open for the next.

    Raises:
        OSError: the file is shorter, or gone.
    """
    with OPEN_FILES.lock:
        file = OPEN_FILES.get(("bytes", path, stamp), lambda: open_file(path))
        file.seek(offset)
        contents: bytes = file.read(size)
    if len(contents) != size:
        raise OSError(
            f"{path} ends at byte {offset + len(contents)}, inside a clip: it has changed since it was opened"
        )
    return contents


def open_file(path: str) -> Any:
    """Open a local or remote file for reading."""
    if "://" not in path:
        return open(path, "rb")
    import fsspec

    system, inner = fsspec.core.url_to_fs(path)
    return system.open(inner, "rb")


def size_of(path: str) -> int:
    """Size of a local or remote file in bytes."""
    if "://" not in path:
        return os.path.getsize(path)
    import fsspec

    system, inner = fsspec.core.url_to_fs(path)
    return int(system.size(inner))


def stamp_of(path: str) -> tuple[int, int]:
    """Size and time of a local file."""
    if "://" in path:
        return (0, 0)
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
