"""Write a data set with its clips inside, as Parquet files or WebDataset tars."""

import io
import itertools
import json
import os
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from heygen_hf.data.sources.columns import make_features
from heygen_hf.data.sources.embedding import (
    ExportReport,
    Rows,
    batch_rows,
    columns_of,
    embed_rows,
    media_bytes,
    nothing_left,
    told_when_full,
)
from heygen_hf.data.sources.files import suffix_of
from heygen_hf.data.sources.shards import MEDIA_COLUMNS

ROW_GROUP_BYTES = 8 * 2**20
"""Any one row costs reading its row group, so these are small."""


def export_to_parquet(
    dataset: Rows,
    output_dir: str | os.PathLike,
    *,
    split: str = "train",
    max_shard_mebibytes: float = 256.0,
    rows_per_shard: int | None = None,
) -> ExportReport:
    """Write Parquet files with the clips inside, which `load_video_dataset` and `load_dataset` open.

    The files appear under their names (`train-00000-of-00003.parquet`) when all are complete; older ones of the split
    are replaced. Row groups are small, so that any row is read at little cost.

    Args:
        dataset: as `load_video_dataset` or `open_video_shards` gives it.
        output_dir: made where it does not exist.
        split: in the files' names.
        max_shard_mebibytes: a file is closed when it has grown to this.
        rows_per_shard: or when it has this many rows.

    Raises:
        ValueError: no clip can be read, or the disk is full or not to be written.
    """
    import pyarrow.parquet as pq

    from heygen_hf.data.sources.materialized import rows_to_table

    schema = make_features(columns_of(dataset)).arrow_schema

    # videos are compressed already
    leaves = [
        leaf
        for name in schema.names
        for leaf in ([f"{name}.bytes", f"{name}.path"] if name in MEDIA_COLUMNS else [name])
    ]
    compression = {leaf: "NONE" if leaf.endswith(".bytes") else "SNAPPY" for leaf in leaves}

    def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
        with pq.ParquetWriter(path, schema, compression=compression, use_dictionary=False) as writer:  # type: ignore
            for group in batch_rows(rows, ROW_GROUP_BYTES):
                writer.write_table(rows_to_table(group, schema))

    limits = (max_shard_mebibytes, rows_per_shard)
    return _export(dataset, Path(output_dir), split, "parquet", write, limits)


def export_to_webdataset(
    dataset: Rows,
    output_dir: str | os.PathLike,
    *,
    split: str = "train",
    max_shard_mebibytes: float = 256.0,
    rows_per_shard: int | None = None,
) -> ExportReport:
    """Write WebDataset tars: for each row `000000012.mp4`, `.txt` with the caption and `.json` with all strings.

    Arguments, atomicity and errors are those of `export_to_parquet`.
    """
    numbers = itertools.count()

    def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
        with tarfile.open(path, "w") as tar:
            for row in rows:
                key = f"{next(numbers):09d}"
                strings = {name: value for name, value in row.items() if name not in MEDIA_COLUMNS}
                members = {
                    suffix_of(row["file_name"]) or "mp4": row["video"]["bytes"],
                    "txt": (row.get("text") or "").encode(),
                    "json": json.dumps(strings, ensure_ascii=False).encode(),
                }
                if "audio" in row and row["audio"]["bytes"] is not None:
                    members[suffix_of(row["audio"]["path"] or "") or "wav"] = row["audio"]["bytes"]
                for suffix, contents in members.items():
                    header = tarfile.TarInfo(f"{key}.{suffix}")
                    header.size = len(contents)
                    tar.addfile(header, io.BytesIO(contents))

    limits = (max_shard_mebibytes, rows_per_shard)
    return _export(dataset, Path(output_dir), split, "tar", write, limits)


def _export(
    dataset: Rows,
    folder: Path,
    split: str,
    suffix: str,
    write: Callable[[Path, Iterator[dict[str, Any]]], None],
    limits: tuple[float, int | None],
) -> ExportReport:
    """Write all files beside their final names, then give them these."""
    max_bytes, max_rows = limits[0] * 2**20, limits[1]
    if max_bytes <= 0 or (max_rows is not None and max_rows < 1):
        raise ValueError(f"max_shard_mebibytes is {limits[0]} and rows_per_shard {max_rows}; expected positive numbers")
    report = ExportReport()
    rows = embed_rows(dataset, report)
    partial = folder / f".partial-{uuid.uuid4().hex}"
    try:
        with told_when_full(folder):
            partial.mkdir(parents=True)
            written: list[Path] = []
            first = next(rows, None)
            while first is not None:
                waiting = [first]

                def take(waiting: list[dict[str, Any]] = waiting) -> Iterator[dict[str, Any]]:
                    size = count = 0
                    while waiting and size < max_bytes and (max_rows is None or count < max_rows):
                        row = waiting.pop()
                        size, count = size + media_bytes(row), count + 1
                        yield row
                        waiting.extend(row for row in (next(rows, None),) if row is not None)

                written.append(partial / f"{len(written)}.{suffix}")
                write(written[-1], take())
                first = waiting.pop() if waiting else None
            if not written:
                raise ValueError(nothing_left(report))
            for number, path in enumerate(written):
                final = folder / f"{split}-{number:05d}-of-{len(written):05d}.{suffix}"
                os.replace(path, final)
                report.paths.append(str(final))
            for old in folder.glob(f"{split}-[0-9]*-of-[0-9]*.{suffix}"):
                if str(old) not in report.paths:
                    old.unlink()
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return report
