"""The rows of a folder of captioned clips, split by split, with everything that its metadata says."""

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.data.sources.captions import find_captions
from heygen_hf.data.sources.columns import ColumnChoice
from heygen_hf.data.sources.files import list_files
from heygen_hf.data.sources.folder import folder_splits, open_folder, split_folder
from heygen_hf.data.sources.locations import has_media
from heygen_hf.data.sources.metadata import find_metadata

# The columns that name files; all others are the data set's own.
FILE_COLUMNS = ("file_name", "audio_file_name")


@dataclass(frozen=True)
class Row:
    """One clip with one caption.

    Attributes:
        name: as in the metadata, for reports.
        video: its file; None where the name leaves the folder.
        sound: of a file beside the clip.
        values: all other columns.
    """

    name: str
    video: Path | None
    sound: Path | None
    values: dict[str, Any]


@dataclass(frozen=True)
class Split:
    """One split of a folder.

    Attributes:
        name: such as "train".
        folder: that names in `rows` are relative to.
        rows: in the order of the metadata.
        notes: what was noticed about it.
    """

    name: str
    folder: Path
    rows: list[Row]
    notes: list[str]


def read_splits(source: Path, *, caption_column: str = "text", leave_out: Sequence[str] = ()) -> list[Split]:
    """All splits of a folder, in any layout that `load_video_dataset` opens.

    Args:
        source: the folder.
        caption_column: of its metadata.
        leave_out: further columns that are not taken over.

    Raises:
        ValueError: no folder, no clips, or metadata that cannot be read.
    """
    if not source.is_dir():
        raise ValueError(f"there is no folder {source}; name one with captioned clips, such as data/moving_digits.")
    if not has_media(source):
        raise ValueError(
            f"{source} holds no clips and no metadata.jsonl; shards (.tar, .parquet) are data sets as they are: "
            "hf upload puts them on the Hub."
        )
    folders = {}
    for name in dict.fromkeys(["train", *folder_splits(source)]):
        try:
            folders[name] = split_folder(source, name)
        except ValueError:
            if name != "train":
                raise
    return [_read(name, folder, caption_column, leave_out) for name, folder in folders.items()]


def _read(name: str, folder: Path, caption_column: str, leave_out: Sequence[str]) -> Split:
    metadata = find_metadata(folder)
    whole = Path(os.path.abspath(folder))  # so that notes name it in a way that is nothing else
    if metadata is None:
        files = list_files(folder, without=folder_splits(folder))
        labels = ("label",) if find_captions(files).labels is not None else ()
        opened = open_folder(whole, ColumnChoice(label_columns=labels))
        columns = {column: opened.columns[column].to_pylist() for column in ("text", *labels)}
        values: list[dict[str, Any]] = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    else:
        values = list(_metadata_rows(metadata))
        available = {column for row in values for column in row}
        if caption_column not in available:
            raise ValueError(
                f"{metadata} has no column {caption_column!r}; it has {', '.join(sorted(available))}: name the "
                "captions' one with --caption-column."
            )
        opened = open_folder(whole, ColumnChoice(caption_column=caption_column))
        for row, text in zip(values, opened.columns["text"].to_pylist(), strict=True):
            row[caption_column] = text
    sounds = opened.columns["audio"].to_pylist() if "audio" in opened.columns else [None] * len(values)
    names = opened.columns["file_name"].to_pylist()
    rows = [
        Row(
            name=row_name,
            video=_path(video),
            sound=_path(sound),
            values={key: value for key, value in row.items() if key not in FILE_COLUMNS and key not in leave_out},
        )
        for row_name, video, sound, row in zip(names, opened.columns["video"].to_pylist(), sounds, values, strict=True)
    ]
    return Split(name, folder, rows, [_without_place(note, whole) for note in opened.notes])


def _without_place(note: str, folder: Path) -> str:
    """Where the folder lies is nothing to publish; words that are its name stay."""
    for place in dict.fromkeys((str(folder), os.path.realpath(folder))):
        whole_path = rf"(?<![\w./~-]){re.escape(place)}(?:(?P<inside>/)|(?![\w-]))"
        note = re.sub(whole_path, lambda found: "" if found["inside"] else "the folder", note)
    return note


def _path(media: dict[str, Any] | None) -> Path | None:
    path = (media or {}).get("path")
    return Path(path) if path else None


def _metadata_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Every row with all of its values; `open_folder` reads the same file and says what is wrong with it."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        for row in pq.read_table(path).to_pylist():
            yield {key: to_json(value, f"{path} column {key!r}") for key, value in row.items()}
        return
    text = path.read_bytes().decode("utf-8-sig", "replace")
    if path.suffix == ".csv":
        lines = csv.reader(io.StringIO(text, newline=""))  # lines end where CSV says, not at U+2028
        header = next(lines, [])
        for fields in lines:
            if fields:
                yield {name: fields[i] if i < len(fields) else "" for i, name in enumerate(header)}
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{path} line {number} is not JSON ({error})") from None
            if not isinstance(row, dict):
                raise ValueError(f'{path} line {number} is no object; expected {{"file_name": …, "text": …}}')
            yield {key: to_json(value, f"{path} line {number}") for key, value in row.items()}


def to_json(value: Any, where: str) -> Any:
    """A value as JSON holds it: what is no number is null, dates are strings.

    Raises:
        ValueError: bytes, which a metadata file does not hold.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list | tuple):
        return [to_json(part, where) for part in value]
    if isinstance(value, dict):
        return {to_json(str(key), where): to_json(part, where) for key, part in value.items()}
    if isinstance(value, bytes):
        raise ValueError(f"{where} holds bytes; leave the column out with --leave-out.")
    return str(value)
