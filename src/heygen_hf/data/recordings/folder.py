"""Which recordings a folder has, and their labels: from a metadata file, or from their names."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from heygen_hf.data.sources.files import AUDIO_SUFFIXES, FolderFiles, list_files, suffix_of
from heygen_hf.data.sources.metadata import find_metadata, read_metadata

# `7_jackson_32.wav`: what is said, who says it (the name may have underscores), which take it is.
_NAME = re.compile(r"^(?P<label>[^_]+)_(?P<speaker>.+)_(?P<take>\d+)$")
SPEAKER, TAKE, SPLIT = "speaker", "take", "split"


@dataclass
class RecordingRows:
    """Recordings that are named, not yet opened.

    Attributes:
        file_names: relative to the folder.
        paths: absolute; None where a name leads out of the folder.
        labels: column → a value for each: the label column, and `speaker`, `take` and `split` where they are known.
    """

    file_names: list[str]
    paths: list[str | None]
    labels: dict[str, list[str]]

    def __len__(self) -> int:
        return len(self.file_names)


def find_recordings(folder: str | os.PathLike, *, label_columns: Sequence[str] = ("label",)) -> RecordingRows:
    """The recordings of a folder and all below it.

    With `metadata.jsonl`, `.csv` or `.parquet`: a row for each, with `file_name`, the label columns, and `speaker`,
    `take` and `split` if it likes. Without: files named `LABEL_SPEAKER_INDEX.wav` (any audio format), whose label
    is of the first of `label_columns`.

    Raises:
        ValueError: no such folder, no recording, a column that is missing, or a name that says no label.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"the folder of recordings {str(folder)!r} does not exist; name one with sound files")
    if not label_columns:
        raise ValueError("label_columns is empty: name what the recordings are labelled with, such as ['digit']")
    files = list_files(root)
    metadata = find_metadata(root)
    return _from_names(files, label_columns) if metadata is None else _from_metadata(files, metadata, label_columns)


def _from_metadata(files: FolderFiles, path: Path, label_columns: Sequence[str]) -> RecordingRows:
    extra = [name for name in (SPEAKER, TAKE, SPLIT) if name not in label_columns]
    metadata = read_metadata(path, ["file_name", *label_columns, *extra])
    for name in ("file_name", *label_columns):
        if name not in metadata.columns:
            raise ValueError(f"{path} has no column {name!r}; it has {', '.join(metadata.available)}")
    columns = {name: values.to_pylist() for name, values in metadata.columns.items()}
    names = columns.pop("file_name")
    for name in label_columns:
        if "" in columns[name]:
            raise ValueError(f"{path} row {columns[name].index('') + 1} has no {name}; fill it in or drop the row")
    return RecordingRows(names, [files.resolve(name) for name in names], columns)


def _from_names(files: FolderFiles, label_columns: Sequence[str]) -> RecordingRows:
    names = sorted(name for name in files.regular if suffix_of(name) in AUDIO_SUFFIXES and _is_shown(name))
    if not names:
        raise ValueError(f"{files.root} has no recordings (.wav, .flac, .mp3 …); name the folder that holds them")
    if len(label_columns) > 1:
        raise ValueError(
            f"{files.root} has no metadata file, and a name such as LABEL_SPEAKER_INDEX.wav holds one label, not "
            f"{len(label_columns)}: add metadata.jsonl with file_name, {', '.join(label_columns)}"
        )
    columns: dict[str, list[str]] = {label_columns[0]: [], SPEAKER: [], TAKE: []}
    for name in names:
        match = _NAME.match(PurePosixPath(name).stem)
        if match is None:
            raise ValueError(
                f"{files.root} has no metadata file, and {name!r} is not named LABEL_SPEAKER_INDEX: rename it, or add "
                f"metadata.jsonl with file_name and {label_columns[0]}"
            )
        for column, group in zip(columns, ("label", "speaker", "take"), strict=True):
            columns[column].append(match[group])
    return RecordingRows(names, [files.resolve(name) for name in names], columns)


def _is_shown(name: str) -> bool:
    return not PurePosixPath(name).name.startswith(".")
