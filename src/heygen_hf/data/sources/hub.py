"""Data sets of the Hub, through `datasets`, in the columns of every source."""

import os
from typing import TYPE_CHECKING, Any

from heygen_hf.data.sources.columns import ColumnChoice, make_features, make_info, to_text
from heygen_hf.data.sources.locations import Location, choose_split
from heygen_hf.data.sources.parquet_opening import VIDEO_COLUMNS

if TYPE_CHECKING:
    import datasets


def load_from_hub(
    location: Location,
    split: str | None,
    choice: ColumnChoice,
    *,
    streaming: bool,
    cache_dir: str | os.PathLike | None = None,
) -> "datasets.Dataset | datasets.IterableDataset":
    """Open a data set of the Hub.

    Raises:
        ValueError: it cannot be reached, has no such split, or lacks a column.
    """
    import datasets

    name, _, revision = location.paths[0].partition("@")
    held: Any
    try:
        held = datasets.load_dataset(
            name,
            split=split,
            revision=revision or None,
            streaming=streaming,
            cache_dir=None if cache_dir is None else str(cache_dir),
        )
    except Exception as error:  # whatever the network, the Hub or the data set's own files fail with
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{location.name} is no folder or file here, and cannot be opened as a data set of the Hub ({reason}); "
            "check the name and the split, and for private ones the login"
        ) from None
    if isinstance(held, dict):
        if len(held) > 1:
            raise ValueError(f"{location.name} has the splits {', '.join(held)}; name one")
        held = next(iter(held.values()))
    return conform(held, choice, name=location.name)


def find_hub_files(location: Location, split: str | None) -> Location | None:
    """The Parquet files, or the tars, of a data set of the Hub, which can be read in place; None where it has none.

    Raises:
        ValueError: the Hub cannot be reached, or the data set has no such split.
    """
    import fsspec

    root = f"datasets/{location.paths[0]}"
    try:
        system = fsspec.filesystem("hf")
        for ending in ("parquet", "tar"):
            found = sorted(
                path for path in system.glob(f"{root}/**/*.{ending}") if not path.endswith("metadata.parquet")
            )
            if found:
                return choose_split(location.name, [f"hf://{path}" for path in found], split)
    except ValueError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"{location.name} is no folder or file here, and the Hub cannot be asked for it ({reason}); check the "
            "name, the network, and for private data sets the login"
        ) from None
    return None


def conform(
    dataset: "datasets.Dataset | datasets.IterableDataset", choice: ColumnChoice, *, name: str
) -> "datasets.Dataset | datasets.IterableDataset":
    """A data set that `load_dataset` gave, with the columns of every source.

    Args:
        dataset: with a column of videos: of the feature `Video`, paths, or bytes.
        choice: the wanted columns.
        name: for messages and, where rows bear no name, for `file_name`.

    Raises:
        ValueError: a column is missing.
    """
    import datasets

    if dataset.features is None:
        dataset = dataset._resolve_features()
    if isinstance(dataset, datasets.Dataset) and "__key__" in dataset.features:
        dataset = _unpacked(dataset)
    given = dataset.features
    choice.check(list(given), where=name)
    video = choice.video_column or _find_video(given)
    if video is None:
        raise ValueError(f"{name} has no column of clips; it has {', '.join(given)}: set data.video_column")
    has_sound = isinstance(given.get("audio"), datasets.Audio)
    audio = choice.audio_column or ("audio" if has_sound else None)
    dataset = dataset.cast_column(video, datasets.Video(decode=False))
    if audio is not None:
        dataset = dataset.cast_column(audio, datasets.Audio(decode=False))
    columns = {"video": video, "text": choice.caption_column, **{label: label for label in choice.label_columns}}
    columns |= {} if audio is None else {"audio": audio}
    columns["file_name"] = "file_name" if "file_name" in given else None
    features = make_features(list(columns))
    if isinstance(dataset, datasets.Dataset):
        return _conform_table(dataset, columns, features, name)

    def conform_row(row: dict[str, Any], number: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for column, held in columns.items():
            if column in ("video", "audio"):
                found[column] = _fetched(row[held] if held else None)
            else:
                found[column] = _string(row[held], given[held]) if held else ""
        found["file_name"] = found["file_name"] or _file_name(found["video"]["path"]) or f"{name}:{number}"
        return found

    mapped = dataset.map(conform_row, with_indices=True, remove_columns=list(given), features=features)
    return mapped


def _unpacked(dataset: "datasets.Dataset") -> "datasets.Dataset":
    """WebDataset tars as `datasets` opens them: the caption is in `txt`, all other columns are in `json`."""
    import datasets

    given = dataset.features
    sound = next((name for name, feature in given.items() if isinstance(feature, datasets.Audio)), None)
    if sound is not None and "audio" not in given:
        dataset = dataset.rename_column(sound, "audio")
    if isinstance(given.get("json"), dict):
        rows = dataset["json"][:]
        for name in given["json"]:
            if name not in dataset.column_names:
                dataset = dataset.add_column(name, [(row or {}).get(name) for row in rows])
        dataset = dataset.remove_columns("json")
    if "txt" in given and "text" not in dataset.column_names:
        dataset = dataset.rename_column("txt", "text")
    return dataset


def _find_video(features: "datasets.Features") -> str | None:
    import datasets

    said = [name for name, feature in features.items() if isinstance(feature, datasets.Video)]
    return next(iter([*said, *(name for name in VIDEO_COLUMNS if name in features)]), None)


def _conform_table(
    dataset: "datasets.Dataset", columns: dict[str, str | None], features: "datasets.Features", name: str
) -> "datasets.Dataset":
    """Rename the clips where they lie; the strings are made anew."""
    import datasets
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets.table import InMemoryTable, concat_tables

    given = dataset.features
    media = {column: held for column, held in columns.items() if column in ("video", "audio") and held}
    dataset = dataset.flatten_indices() if dataset._indices is not None else dataset
    kept = dataset.select_columns(list(media.values())).rename_columns(
        {held: column for column, held in media.items() if held != column}
    )
    paths = pc.struct_field(kept.data.table["video"], "path").to_pylist()
    strings: dict[str, list[str]] = {}
    for column, held in columns.items():
        if column in media:
            continue
        values = [""] * len(dataset) if held is None else dataset.data.table[held].to_pylist()
        strings[column] = [_string(value, given.get(held)) for value in values]
    strings["file_name"] = [
        own or _file_name(path) or f"{name}:{row}"
        for row, (own, path) in enumerate(zip(strings["file_name"], paths, strict=True))
    ]
    added = InMemoryTable(pa.table({column: pa.array(values, pa.string()) for column, values in strings.items()}))
    table = concat_tables([kept.data, added], axis=1)
    unordered = datasets.Features(
        {**{column: features[column] for column in media}, **{c: features[c] for c in strings}}
    )
    result = datasets.Dataset(table, info=make_info(unordered, []), split=dataset.split)
    return result.select_columns(list(features))


def _string(value: Any, feature: Any) -> str:
    import datasets

    if isinstance(feature, datasets.ClassLabel) and isinstance(value, int):
        return str(feature.int2str(value)) if 0 <= value < feature.num_classes else ""
    return to_text(value)


def _file_name(path: str | None) -> str:
    """A path without what is the machine's or the revision's own."""
    if not path:
        return ""
    for mark in ("/snapshots/", "@"):
        if mark in path and ("hf://" in path or mark != "@"):
            return path.rpartition(mark)[2].partition("/")[2]
    return os.path.basename(path)


def _fetched(value: dict[str, Any] | None) -> dict[str, Any]:
    """The bytes of a remote clip, which no decoder opens by itself."""
    value = value or {"bytes": None, "path": None}
    path = value["path"]
    if value["bytes"] is None and path and path.startswith("hf://"):
        import fsspec

        with fsspec.open(path, "rb") as file:
            return {"bytes": file.read(), "path": path}
    return value
