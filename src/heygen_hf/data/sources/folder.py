"""Open a folder of captioned clips as a `datasets.Dataset`."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.metadata import METADATA_NAMES, column_names, find_metadata, read_metadata

if TYPE_CHECKING:
    import datasets

VIDEO_SUFFIXES = frozenset(
    (
        "mp4",
        "m4v",
        "mov",
        "mkv",
        "webm",
        "avi",
        "mpg",
        "mpeg",
        "wmv",
        "flv",
        "ts",
        "mts",
        "m2ts",
        "3gp",
        "ogv",
        "gif",
    )
)


def has_split(source: str | os.PathLike, split: str) -> bool:
    """Whether a folder has a subfolder for this split, with metadata of its own."""
    return find_metadata(Path(source) / split) is not None


def load_video_dataset(
    source: str | os.PathLike,
    *,
    split: str | None = "train",
    caption_column: str | None = "text",
    label_columns: Sequence[str] = (),
) -> "datasets.Dataset":
    """Open a folder of clips with `metadata.jsonl` or `metadata.csv`.

    The metadata has a column `file_name` (relative to the folder) and one row for each caption. It lies in
    `source/split/` where that exists, or else in `source` itself, which then is "train".

    Nothing is decoded here: files that turn out unusable are found, counted and named by `prepare_clips`.
        What this
    function notices (files without a row, several rows for a file, empty captions) is in the data set's
    `info.description`, a line each, which `prepare_clips` takes into its report.

    Args:
        source: the folder.
        split: which split; None for the folder's own metadata, whatever it is used for.
        caption_column: the column with the captions, or None where there are none (`text` is then empty).
        label_columns: columns with class labels.

    Returns:
        Columns `video` (absolute path, or None where the row's path leaves the folder: refused), `text`, each
        label column (as strings, so that .csv and .jsonl agree), and `file_name`.

    Raises:
        ValueError: the folder, its metadata, the split or a column is missing, or the metadata is malformed.
    """
    import datasets

    folder = _split_folder(Path(source), split)
    metadata = find_metadata(folder)
    assert metadata is not None
    rows = read_metadata(metadata)
    available = column_names(rows)
    for kind, name in [("caption", caption_column), *(("label", name) for name in label_columns)]:
        if name is not None and name not in available:
            raise ValueError(
                f"{metadata} has no {kind} column {name!r}; it has {', '.join(available)}: "
                f"set data.{'caption_column' if kind == 'caption' else 'label_columns'}"
            )
    reserved = sorted({"video", "file_name"} & set(label_columns))
    if reserved:
        raise ValueError(f"{reserved[0]!r} cannot be a label column: the data set has a column of that name already")

    root = Path(os.path.realpath(folder))
    inside = _files_below(root)
    file_names = [_text(row.get("file_name")) for row in rows]
    texts = [_text(row.get(caption_column)) if caption_column else "" for row in rows]
    columns: dict[str, list[Any]] = {
        "video": [_resolve(root, name, inside) for name in file_names],
        "text": texts,
    }
    for name in label_columns:
        columns[name] = [_text(row.get(name)) for row in rows]
    columns["file_name"] = file_names

    notes = list(_notes(metadata, file_names, texts if caption_column else None, inside))
    features = datasets.Features(dict.fromkeys(columns, datasets.Value("string")))
    return datasets.Dataset.from_dict(
        columns, features=features, info=datasets.DatasetInfo(description="\n".join(notes), features=features)
    )


def _split_folder(source: Path, split: str | None) -> Path:
    """The folder whose metadata holds the split."""
    expected = f"expected a folder with {' or '.join(METADATA_NAMES)} (columns file_name and text)"
    if not source.exists():
        raise ValueError(f"{source} does not exist; {expected}")
    if not source.is_dir():
        raise ValueError(f"{source} is a file; {expected}")
    if split is not None and has_split(source, split):
        return source / split
    if find_metadata(source) is not None:
        if split in (None, "train") or source.resolve().name == split:
            return source
        raise ValueError(
            f"{source} has no split {split!r}: its own metadata counts as 'train', and there is no "
            f"{source / str(split)} with metadata of its own"
        )
    splits = sorted(entry.name for entry in source.iterdir() if entry.is_dir() and has_split(source, entry.name))
    if splits and split is not None:
        raise ValueError(f"{source} has no split {split!r}; it has {', '.join(splits)}")
    if splits:
        raise ValueError(f"{source} has no metadata of its own, but the splits {', '.join(splits)}; name one")
    raise ValueError(f"{source} has no metadata; {expected}")


def _files_below(root: Path) -> set[str]:
    """Relative names, with forward slashes, of the regular files below a folder; links are not followed."""
    found: set[str] = set()
    for directory, _, names in os.walk(root):
        prefix = os.path.relpath(directory, root).replace(os.sep, "/") + "/"
        prefix = "" if prefix == "./" else prefix
        found.update(prefix + name for name in names if not os.path.islink(os.path.join(directory, name)))
    return found


def _resolve(root: Path, file_name: str, inside: set[str]) -> str | None:
    """Absolute path of a row's file, None where it would lie outside the folder (or the row names none)."""
    if file_name in inside:  # the usual case, without asking the file system again
        return os.path.join(root, file_name)
    if not file_name or "\0" in file_name or PurePath(file_name).is_absolute():
        return None
    resolved = os.path.realpath(os.path.join(root, file_name))
    return resolved if Path(resolved).is_relative_to(root) and resolved != str(root) else None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _notes(metadata: Path, file_names: list[str], texts: list[str] | None, inside: set[str]) -> Iterable[str]:
    named = {os.path.normpath(name).replace(os.sep, "/") for name in file_names}
    without_row = sorted(name for name in inside - named if PurePath(name).suffix.lower().lstrip(".") in VIDEO_SUFFIXES)
    if without_row:
        yield f"{len(without_row)} clips have no row in {metadata} and are not used: {name_some(without_row)}"
    repeated = [name for name, count in Counter(file_names).items() if count > 1 and name]
    if repeated:
        yield f"{len(repeated)} files have several rows, all of which are used: {name_some(repeated)}"
    if texts is not None:
        empty = [name for name, text in zip(file_names, texts, strict=True) if not text.strip()]
        if empty:
            yield f"{len(empty)} captions are empty and used as they are: {name_some(empty)}"
    other = [name for name in METADATA_NAMES if name != metadata.name and (metadata.parent / name).is_file()]
    if other:
        yield f"{metadata.parent} has {other[0]} too, which is not read: {metadata.name} is"
