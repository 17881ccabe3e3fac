"""Open one source: as shards, or as a data set."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heygen_hf.data.sources.columns import ColumnChoice, make_dataset
from heygen_hf.data.sources.folder import open_folder
from heygen_hf.data.sources.hub import find_hub_files, load_from_hub
from heygen_hf.data.sources.locations import Location
from heygen_hf.data.sources.materialized import materialize
from heygen_hf.data.sources.parquet_opening import open_parquet_shards
from heygen_hf.data.sources.shards import Shard, TableShard, VideoShards
from heygen_hf.data.sources.tar_index import open_tar_shards

if TYPE_CHECKING:
    import datasets

FOLDER_SHARDS, FOLDER_SHARD_ROWS = 16, 1024
"""A folder is streamed in about so many shards, or more, so that none has more rows than this."""


def open_dataset(
    location: Location, split: str | None, choice: ColumnChoice, *, cache_dir: str | os.PathLike | None = None
) -> "datasets.Dataset":
    """One source as a data set."""
    if location.kind == "hub":
        return load_from_hub(location, split, choice, streaming=False, cache_dir=cache_dir)
    if location.kind == "folder":
        rows = open_folder(Path(location.paths[0]), choice)
        return make_dataset(rows.columns, rows.notes)
    return materialize(open_shards(location, split, choice), cache_dir)


def open_shards(location: Location, split: str | None, choice: ColumnChoice) -> VideoShards:
    """One source as shards.

    Raises:
        ValueError: it has no rows, a column is missing, or a data set of the Hub has neither Parquet nor tars.
    """
    if location.kind == "hub":
        files = find_hub_files(location, split)
        if files is None:
            raise ValueError(f"{location.name} has neither Parquet files nor tars to read in place; open it unstreamed")
        location = files
    if location.kind == "folder":
        return _folder_shards(location, choice)
    names = short_names(location.paths)
    shards: Sequence[Shard]
    if location.kind == "parquet":
        shards, notes = open_parquet_shards(location.paths, names, choice)
    else:
        shards, notes = open_tar_shards(location.paths, names, choice)
    if not any(shard.num_rows for shard in shards):
        raise ValueError(f"{location.name} has no rows; expected at least one clip")
    audio = any("audio" in shard.column_names for shard in shards)
    return VideoShards(shards, choice.names(audio=audio), notes=[*location.notes, *notes])


def short_names(paths: Sequence[str]) -> list[str]:
    """Names of files without the folders that all of them share."""
    if len(paths) == 1:
        return [os.path.basename(paths[0])]
    parts = [path.split("/") for path in paths]
    shared = 0
    while len({tuple(part[: shared + 1]) for part in parts}) == 1 and all(len(part) > shared + 1 for part in parts):
        shared += 1
    return ["/".join(part[shared:]) for part in parts]


def _folder_shards(location: Location, choice: ColumnChoice) -> VideoShards:
    import datasets
    import pyarrow as pa

    rows = open_folder(Path(location.paths[0]), choice)
    features = make_dataset(rows.columns, []).features
    arrays = [
        pa.chunked_array([column]) if isinstance(column, pa.Array) else column for column in rows.columns.values()
    ]
    table = pa.Table.from_arrays(arrays, schema=datasets.Features(features).arrow_schema)
    size = max(1, min(FOLDER_SHARD_ROWS, -(-table.num_rows // FOLDER_SHARDS)))
    name = os.path.basename(os.path.normpath(location.paths[0]))
    shards = []
    for start in range(0, table.num_rows, size):
        # a copy: a slice would be pickled with the whole table
        part = table.take(pa.array(range(start, min(start + size, table.num_rows))))
        shards.append(TableShard(f"{name}[{start}:{start + part.num_rows}]", part))
    return VideoShards(shards, table.column_names, notes=rows.notes)
