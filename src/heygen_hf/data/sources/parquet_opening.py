"""Find the columns and the shards of Parquet files from their footers alone."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.columns import ColumnChoice
from heygen_hf.data.sources.parquet import ParquetColumns, ParquetShard, open_parquet
from heygen_hf.data.sources.webdataset import stamp_of

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

VIDEO_COLUMNS = ("video", "mp4", "webm", "mov", "mkv", "avi", "clip", "video_bytes", "video_path")
"""Looked for in this order, where no column says that it is a video."""

MAX_SHARD_BYTES = 128 * 2**20
"""Files are divided at row groups into shards of about this size, of which any row is at hand once it was read."""


def open_parquet_shards(
    paths: Sequence[str], names: Sequence[str], choice: ColumnChoice
) -> tuple[list[ParquetShard], list[str]]:
    """The shards of some files, and notes.

    Args:
        paths: of the files.
        names: of the files in reports.
        choice: the wanted columns.

    Raises:
        ValueError: a file cannot be read, or lacks a column.
    """
    shards: list[ParquetShard] = []
    notes: list[str] = []
    empty: list[str] = []
    for path, name in zip(paths, names, strict=True):
        file = open_parquet(path)
        columns = _choose_columns(file, path, choice)
        groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
        sizes = [(group.num_rows, group.total_byte_size) for group in groups if group.num_rows]
        numbers = [number for number, group in enumerate(groups) if group.num_rows]
        largest = max((num_bytes for _, num_bytes in sizes), default=0)
        if largest > 2 * MAX_SHARD_BYTES:
            notes.append(
                f"{name} has row groups of up to {largest / 2**20:.0f} MiB, each read whole for any of its rows; "
                "export_to_parquet writes small ones"
            )
        if not sizes:
            empty.append(name)
        shards += _divide(ParquetShard(path, name, name, columns, (), (), 0, stamp_of(path)), numbers, sizes)
    if empty:
        notes.append(f"{len(empty)} files have no rows: {name_some(empty)}")
    return shards, notes


def _divide(whole: ParquetShard, numbers: Sequence[int], sizes: Sequence[tuple[int, int]]) -> list[ParquetShard]:
    """A file as runs of row groups; one run where the file is not large."""
    runs: list[list[int]] = []
    held = 0
    for place, (_, num_bytes) in enumerate(sizes):
        if not runs or held + num_bytes > MAX_SHARD_BYTES:
            runs.append([])
            held = 0
        runs[-1].append(place)
        held += num_bytes
    shards, first = [], 0
    for run in runs:
        rows = tuple(sizes[place][0] for place in run)
        name = whole.file if len(runs) == 1 else f"{whole.file}[{first}:{first + sum(rows)}]"
        groups = tuple(numbers[place] for place in run)
        shards.append(replace(whole, name=name, row_groups=groups, group_rows=rows, first_row=first))
        first += sum(rows)
    return shards


def _choose_columns(file: "pq.ParquetFile", path: str, choice: ColumnChoice) -> ParquetColumns:
    schema = file.schema_arrow
    repeated = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if repeated:
        raise ValueError(f"{path} has two columns {repeated[0]!r}; rename one of them")
    choice.check(schema.names, where=path)
    features = _features(schema)
    video = choice.video_column or _find_video(schema, features)
    if video is None:
        raise ValueError(
            f"{path} has no column of clips; it has {', '.join(schema.names)}: set data.video_column to the one with "
            "bytes or paths"
        )
    for name in [choice.caption_column, *choice.label_columns]:
        if name is not None and _is_list(schema.field(name).type):
            raise ValueError(f"{path} has lists in column {name!r}; write a row for each of their values")
    is_sound = "audio" in schema.names and _is_media(schema.field("audio").type)
    return ParquetColumns(
        video=video,
        caption=choice.caption_column,
        labels=choice.label_columns,
        audio=choice.audio_column or ("audio" if is_sound else None),
        file_name="file_name" if "file_name" in schema.names else None,
        class_names=tuple(
            (name, tuple(features[name]["names"]))
            for name in choice.label_columns
            if features.get(name, {}).get("_type") == "ClassLabel"
        ),
    )


def _features(schema: "pa.Schema") -> dict[str, Any]:
    """What `datasets` wrote about the columns, {} where it did not."""
    try:
        held = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return {name: value for name, value in held.items() if isinstance(value, dict)} if isinstance(held, dict) else {}


def _find_video(schema: "pa.Schema", features: dict[str, Any]) -> str | None:
    said = [name for name, feature in features.items() if feature.get("_type") == "Video" and name in schema.names]
    usual = [name for name in VIDEO_COLUMNS if name in schema.names]
    media = [name for name in schema.names if name != "audio" and _is_media(schema.field(name).type)]
    return next(iter([*said, *usual, *(media if len(media) == 1 else [])]), None)


def _is_media(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_list(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))
