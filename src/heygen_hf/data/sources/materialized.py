"""Shards as a memory-mapped `datasets.Dataset`: what `load_dataset` makes of them, in one Arrow file of the cache."""

import hashlib
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from heygen_hf.data.sources.columns import make_features, make_info, make_media
from heygen_hf.data.sources.shards import MEDIA_COLUMNS

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from heygen_hf.data.sources.shards import VideoShards

logger = logging.getLogger(__name__)

BATCH_BYTES = 32 * 2**20
_FORMAT = 1


def materialize(shards: "VideoShards", cache_dir: str | os.PathLike | None = None) -> "datasets.Dataset":
    """Copy the rows into an Arrow file, or open the one of the last time.

    Args:
        shards: whose clips are embedded.
        cache_dir: where; None for the cache of `datasets`.

    Raises:
        ValueError: the disk is full, or not to be written.
    """
    import datasets

    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / "heygen_hf_videos"
    path = folder / f"{_key(shards)}.arrow"
    info = make_info(shards.features, shards.notes)
    if not path.is_file():
        logger.info("Copying %d clips to %s; streaming=True reads them where they lie.", len(shards), path)
        partial = folder / f".{path.name}.{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _write(shards, partial)
            os.replace(partial, path)
        except OSError as error:
            raise ValueError(
                f"{path} cannot be written ({error.strerror or error}); make room, set cache_dir, or stream the data"
            ) from None
        finally:
            partial.unlink(missing_ok=True)
    return datasets.Dataset.from_file(str(path), info=info)


def _key(shards: "VideoShards") -> str:
    content = hashlib.blake2b(repr((_FORMAT, shards.column_names)).encode(), digest_size=16)
    for shard in shards.shards:
        content.update(repr((shard.source, shard.identity)).encode("utf-8", "backslashreplace"))
    return content.hexdigest()


def _write(shards: "VideoShards", path: Path) -> None:
    import pyarrow as pa

    schema = make_features(shards.column_names).arrow_schema
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as writer:
        for table in iter_tables(shards, schema):
            writer.write_table(table)


def iter_tables(shards: "VideoShards", schema: "pa.Schema", *, batch_bytes: int = BATCH_BYTES) -> "Iterator[pa.Table]":
    """All rows as tables of about `batch_bytes`."""
    held: list[dict] = []
    num_bytes = 0
    for row in shards:
        held.append(row)
        num_bytes += 256 + sum(len(row[name]["bytes"] or b"") for name in MEDIA_COLUMNS if name in row)
        if num_bytes >= batch_bytes:
            yield rows_to_table(held, schema)
            held, num_bytes = [], 0
    if held:
        yield rows_to_table(held, schema)


def rows_to_table(rows: list[dict], schema: "pa.Schema") -> "pa.Table":
    """Rows as an Arrow table."""
    import pyarrow as pa

    arrays = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.name in MEDIA_COLUMNS:
            arrays.append(make_media([value["path"] for value in values], [value["bytes"] for value in values]))
        else:
            arrays.append(pa.array(values, pa.string()))
    return pa.Table.from_arrays(arrays, schema=schema)
