"""A folder of clips, in any of the layouts in the field, as Arrow columns."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.captions import find_captions
from heygen_hf.data.sources.columns import ColumnChoice, make_media, to_strings
from heygen_hf.data.sources.files import FolderFiles, is_clip, list_files, printable
from heygen_hf.data.sources.metadata import METADATA_NAMES, find_metadata, read_metadata

if TYPE_CHECKING:
    import pyarrow as pa

SPLIT_NAMES = ("train", "validation", "test", "val", "valid", "dev", "eval")
"""Subfolders that are splits even without metadata of their own; any other then is a class."""


@dataclass
class FolderRows:
    """The rows of a folder: Arrow columns of equal length, and what was noticed."""

    columns: "dict[str, pa.ChunkedArray | pa.Array]"
    notes: list[str]


def is_split_folder(source: Path, split: str) -> bool:
    """Whether a folder has a subfolder for the split: with metadata, or one of the usual names with clips."""
    folder = source / split
    if not split or os.sep in split or not folder.is_dir():
        return False
    if find_metadata(folder) is not None:
        return True
    return split in SPLIT_NAMES and find_metadata(source) is None and has_clips(folder)


def has_clips(folder: Path, *, without: Collection[str] = ()) -> bool:
    """Whether any clip lies below the folder, outside the subfolders named in `without`."""
    for directory, directories, names in os.walk(folder):
        if any(is_clip(name) for name in names):
            return True
        left_out = set(without) if Path(directory) == folder else set()
        directories[:] = [name for name in directories if not name.startswith(".") and name not in left_out]
    return False


def folder_splits(source: Path) -> list[str]:
    """The subfolders that are splits."""
    return sorted(entry.name for entry in source.iterdir() if entry.is_dir() and is_split_folder(source, entry.name))


def split_folder(source: Path, split: str | None) -> Path:
    """The folder that holds the split: a subfolder, or the folder itself, which then is "train".

    Raises:
        ValueError: it has no such split.
    """
    if split is not None and is_split_folder(source, split):
        return source / split
    listed, splits = find_metadata(source) is not None, folder_splits(source)
    captioned = any(find_metadata(source / name) for name in splits)  # then clips beside them are no training set
    if listed or not splits or (not captioned and has_clips(source, without=splits)):
        if split in (None, "train") or source.resolve().name == split:
            return source
        raise ValueError(
            f"{source} has no split {split!r}: its own {'metadata counts' if listed else 'clips count'} as 'train', "
            f"and there is no {source / str(split)} with {'metadata of its own' if listed else 'clips'}"
        )
    if split is not None:
        raise ValueError(f"{source} has no split {split!r}; it has {', '.join(splits)}")
    raise ValueError(f"{source} has no metadata of its own, but the splits {', '.join(splits)}; name one")


def open_folder(folder: Path, choice: ColumnChoice) -> FolderRows:
    """The rows of one split.

    Raises:
        ValueError: no clip, a column is missing, or the metadata is malformed.
    """
    metadata = find_metadata(folder)
    if metadata is not None:
        return _open_listed(metadata, list_files(folder), choice)
    return _open_found(folder, list_files(folder, without=folder_splits(folder)), choice)


def _open_listed(path: Path, files: FolderFiles, choice: ColumnChoice) -> FolderRows:
    """The rows of a metadata file."""
    video_column = choice.video_column or "file_name"
    audio_column = choice.audio_column or "audio_file_name"
    wanted = [video_column, *([choice.caption_column] if choice.caption_column else []), *choice.label_columns]
    metadata = read_metadata(path, [*wanted, audio_column])
    if video_column not in metadata.available:
        raise ValueError(
            f"{path} has no column {video_column} (it has {', '.join(metadata.available)}); add or rename it"
        )
    choice.check(metadata.available, where=path)
    names = metadata.columns[video_column]
    texts = metadata.columns[choice.caption_column] if choice.caption_column else None
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"video": make_media(_resolve_all(files, names))}
    columns["text"] = _empty(len(names)) if texts is None else texts
    columns |= {name: metadata.columns[name] for name in choice.label_columns}
    if audio_column in metadata.available:
        columns["audio"] = make_media(_resolve_all(files, metadata.columns[audio_column]))
    columns["file_name"] = names
    named = [metadata.columns[name] for name in choice.label_columns]  # of clips that control others, their files
    notes = list(_notes_on_rows(str(path), names, texts, files, also_named=named))
    for column, rows in metadata.mended.items():
        some = name_some([names[row].as_py() for row in rows[:6]])
        notes.append(f"{len(rows)} rows have no valid Unicode in {column!r}; what is not is replaced by \ufffd: {some}")
    other = [name for name in METADATA_NAMES if name != path.name and (path.parent / name).is_file()]
    if other:
        notes.append(f"{path.parent} has {other[0]} too, which is not read: {path.name} is")
    return FolderRows(columns, notes)


def _open_found(folder: Path, files: FolderFiles, choice: ColumnChoice) -> FolderRows:
    """Clips that no metadata lists."""
    expected = f"expected {' or '.join(METADATA_NAMES)} (columns file_name and text), or clips (.mp4, .webm, …)"
    found = find_captions(files, wants_label="label" in choice.label_columns)
    if not found.names:
        raise ValueError(f"{folder} has no metadata; {expected}")
    choice.check(
        [*(["text"] if found.layout != "plain" else []), *(["label"] if found.labels is not None else [])],
        where=f"{folder} (layout: {found.layout}, no metadata)",
        also=("text", *(["audio"] if found.sounds else [])),
    )
    captions: Sequence[str] = found.texts
    if choice.caption_column is None:
        captions = [""] * len(found.names)
    elif choice.caption_column == "label":
        captions = found.labels or []
    paths = [files.resolve(name) if printable(name) == name else None for name in found.names]
    texts, _ = to_strings(captions)
    names, _ = to_strings([printable(name) for name in found.names])
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"video": make_media(paths), "text": texts}
    for name in choice.label_columns:
        columns[name], _ = to_strings([printable(label) for label in found.labels or []])
    if found.sounds is not None:
        columns["audio"] = make_media([files.resolve(name) for name in found.sounds])
    columns["file_name"] = names
    noted = texts if choice.caption_column is not None and found.layout != "plain" else None
    if found.layout == "plain" and choice.caption_column is not None:
        found.notes.insert(0, f"{folder} has no captions: all of its clips have an empty text")
    return FolderRows(columns, [*found.notes, *_notes_on_rows(str(folder), names, noted, files, listed=False)])


def _resolve_all(files: FolderFiles, names: "pa.ChunkedArray") -> "pa.ChunkedArray":
    import pyarrow as pa

    chunks = [pa.array([files.resolve(name) for name in chunk.to_pylist()], pa.string()) for chunk in names.chunks]
    return pa.chunked_array(chunks, pa.string())


def _empty(length: int) -> "pa.Array":
    import pyarrow as pa

    return pa.repeat(pa.scalar("", pa.string()), length)


def _notes_on_rows(
    where: str,
    names: "pa.ChunkedArray",
    texts: "pa.ChunkedArray | None",
    files: FolderFiles,
    *,
    listed: bool = True,
    also_named: "Sequence[pa.ChunkedArray]" = (),
) -> Iterator[str]:
    """What is odd about rows: counted in Arrow, so that a million of them cost no Python objects.

    Args:
        also_named: columns that may name files too.
    """
    import pyarrow.compute as pc

    if listed:
        unseen = {name for name in files.regular if is_clip(name)}
        for chunk in [chunk for column in (names, *also_named) for chunk in column.chunks] if unseen else ():
            unseen.difference_update(os.path.normpath(name).replace(os.sep, "/") for name in chunk.to_pylist() if name)
        if unseen:
            some = name_some([printable(name) for name in sorted(unseen)])
            yield f"{len(unseen)} clips have no row in {where} and are not used: {some}"
    counts = pc.value_counts(names)
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    repeated = [name for name in repeated if name]
    if repeated:
        yield f"{len(repeated)} files have several rows, all of which are used: {name_some(repeated)}"
    if texts is not None:
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "")
        empty = names.filter(blank)
        if len(empty):
            some = name_some(empty.slice(0, 5).to_pylist())
            more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
            yield f"{len(empty)} captions are empty and used as they are: {some}{more}"
