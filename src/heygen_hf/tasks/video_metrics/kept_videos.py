"""The folder of a run's videos for measuring: each with a row that says what it was made of, and the file's hash.

Several processes write into it at once, each the rows of its own videos; the first one puts them together.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heygen_hf.data.table_lines import read_lines
from heygen_hf.evaluation.registry.gathering import process_share
from heygen_hf.tasks.run_folder import write_text
from heygen_hf.tasks.video_metrics.processes import first_process_only, together

_ROWS = "metadata.jsonl"
_PARTS = ".metadata-*.jsonl"  # rows of the other processes, until they are put together
_HALF_WRITTEN = re.compile(r"\.\d{5,}\.mp4\..*\.part")  # what a kill leaves of a video
_VIDEO = re.compile(r"\d{5,}\.mp4")
_OURS = {"seed", "weights", "file_hash"}  # in each of our rows

Row = dict[str, Any]


class KeptVideos:
    """Videos `00000.mp4`, `00001.mp4`, … and which of them are the wanted ones already.

    A video is kept where its row says exactly what is wanted, and the file is the one that was written with it: half a
    file, or one of other weights, is made again. In a folder that holds anything else nothing is touched.

    Args:
        folder: made when the first video is written.
        wanted: the row of each video.

    Raises:
        ValueError: the folder holds files that were not made here.
    """

    def __init__(self, folder: Path, wanted: Sequence[Row]) -> None:
        self.folder = folder
        self.wanted = [_plain(row) for row in wanted]
        together(lambda: refuse_files_of_others(folder))
        first_process_only(self._tidy)  # before anyone reads
        self._rows = together(lambda: _read_rows(folder / _ROWS))  # before anyone writes
        rank, _ = process_share()
        self._own = dict(self._rows) if rank == 0 else {}
        self._part = folder / (_ROWS if rank == 0 else _PARTS.replace("*", f"{rank:05d}"))

    def _tidy(self) -> None:
        """Take up what an earlier start left."""
        _put_together(self.folder)
        for half in self.folder.iterdir() if self.folder.is_dir() else ():
            if _HALF_WRITTEN.fullmatch(half.name):
                half.unlink()

    def path(self, number: int) -> Path:
        return self.folder / f"{number:05d}.mp4"

    def is_there(self, number: int) -> bool:
        """Whether the video need not be made again."""
        path = self.path(number)
        found = dict(self._rows.get(path.name, {}))
        file_hash = found.pop("file_hash", None)
        return found == self.wanted[number] and path.is_file() and file_hash == _file_hash(path)

    def begin(self, numbers: Sequence[int]) -> None:
        """Say, before they are written, that files of these names are made here: a kill leaves none without a row."""
        for number in numbers:
            self._own[self.path(number).name] = {**self.wanted[number], "file_hash": None}
        _write_rows(self._part, self._own)

    def add(self, numbers: Sequence[int]) -> None:
        """Say that these videos, which were just written, are what was wanted."""
        for number in numbers:
            path = self.path(number)
            self._own[path.name] = {**self.wanted[number], "file_hash": _file_hash(path)}
        _write_rows(self._part, self._own)

    def finish(self, *, same: Mapping[str, Any]) -> list[Path]:
        """Put the rows of all processes together when all videos are there; the files, in order.

        Args:
            same: what videos beyond the wanted ones must have in their rows to stay; others are removed.
        """
        first_process_only(lambda: self._settle(same))
        return [self.path(number) for number in range(len(self.wanted))]

    def _settle(self, same: Mapping[str, Any]) -> None:
        rows = _put_together(self.folder)
        names = {self.path(number).name for number in range(len(self.wanted))}
        beyond = {name: row for name, row in rows.items() if name not in names}
        plain = _plain(same)
        if any(row.get(key) != value for row in beyond.values() for key, value in plain.items()):
            for name in [name for name, row in beyond.items() if _is_of(row, self.folder / name)]:
                (self.folder / name).unlink()
            beyond = {name: row for name, row in beyond.items() if (self.folder / name).exists()}
        _write_rows(self.folder / _ROWS, {name: rows[name] for name in sorted(names)} | beyond)


def refuse_files_of_others(folder: Path) -> None:
    """Raise where a file would be replaced or removed that was not made here."""
    if not folder.is_dir():
        if folder.exists():
            raise ValueError(f"{folder} is a file; give a folder as --videos-dir")
        return
    rows: dict[str, Row] = {}
    for file in (*folder.glob(_PARTS), folder / _ROWS):
        rows |= _read_rows(file)
    odd = next((name for name, row in rows.items() if not (_VIDEO.fullmatch(name) and row.keys() >= _OURS)), None)
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if not rows:
        odd = next(iter(names), None)
    odd = odd or next((name for name in names if _VIDEO.fullmatch(name) and name not in rows), None)
    if odd is not None:
        raise ValueError(
            f"{folder} holds files that evaluate has not made ({odd}, …), and videos made here could replace them; "
            "give an empty or a new folder as --videos-dir"
        )


def _put_together(folder: Path) -> dict[str, Row]:
    """Take the rows of other processes, which a kill may have left, into the one file."""
    rows = _read_rows(folder / _ROWS)
    parts = sorted(folder.glob(_PARTS))
    for part in parts:
        for name, row in _read_rows(part).items():
            if name not in rows or _is_of(row, folder / name):
                rows[name] = row
    if parts:
        _write_rows(folder / _ROWS, rows)
        for part in parts:
            part.unlink()
    return rows


def _is_of(row: Row, path: Path) -> bool:
    return path.is_file() and row.get("file_hash") == _file_hash(path)


def _plain(values: Mapping[str, Any]) -> Row:
    """As it comes back from JSON."""
    return json.loads(json.dumps(dict(values)))


def _read_rows(file: Path) -> dict[str, Row]:
    """File name → row; a line that cannot be read is left out, and its video made again."""
    rows: dict[str, Row] = {}
    for line in read_lines(file) if file.is_file() else ():
        try:
            row = json.loads(line)
            rows[str(row.pop("file_name"))] = row
        except (ValueError, KeyError, AttributeError, TypeError):
            continue
    return rows


def _write_rows(file: Path, rows: Mapping[str, Row]) -> None:
    lines = [json.dumps({"file_name": name, **row}, ensure_ascii=False) for name, row in rows.items()]
    write_text(file, "".join(line + "\n" for line in lines))


def _file_hash(path: Path) -> str:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
