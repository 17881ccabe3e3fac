"""Write a data set with its clips inside: Parquet files, WebDataset tars, or a data set ready for `push_to_hub`."""

import io
import json
import os
import shutil
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.columns import make_features
from heygen_hf.data.sources.files import suffix_of
from heygen_hf.data.sources.shards import MEDIA_COLUMNS, VideoShards

if TYPE_CHECKING:
    import datasets

Rows: TypeAlias = "datasets.Dataset | datasets.IterableDataset | VideoShards"

ROW_GROUP_BYTES = 8 * 2**20
"""Any one row costs reading its row group, so these are small."""


@dataclass
class ExportReport:
    """What was written, and what could not be.

    Attributes:
        paths: the files.
        num_rows: rows in them.
        num_bytes: of the clips and sounds in them.
        skipped: `(file_name, reason)` of every row that is not in them.
    """

    paths: list[str] = field(default_factory=list)
    num_rows: int = 0
    num_bytes: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def summary(self) -> str:
        """A line of totals, and one for what was left out."""
        text = f"{self.num_rows} clips ({self.num_bytes / 2**20:.1f} MiB) are written to {len(self.paths)} files"
        if self.skipped:
            named = name_some([f"{name}: {reason}" for name, reason in self.skipped])
            text += f"\n{len(self.skipped)} clips cannot be read and are left out: {named}"
        return text


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

    schema = make_features(_columns_of(dataset)).arrow_schema

    # videos are compressed already
    leaves = [
        leaf
        for name in schema.names
        for leaf in ([f"{name}.bytes", f"{name}.path"] if name in MEDIA_COLUMNS else [name])
    ]
    compression = {leaf: "NONE" if leaf.endswith(".bytes") else "SNAPPY" for leaf in leaves}

    def write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
        with pq.ParquetWriter(path, schema, compression=compression, use_dictionary=False) as writer:  # type: ignore
            for group in _batches(rows, ROW_GROUP_BYTES):
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
    import itertools

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


def prepare_for_hub(dataset: Rows, *, cache_dir: str | os.PathLike | None = None) -> "datasets.Dataset":
    """The data set with the bytes of every clip inside: `prepare_for_hub(dataset).push_to_hub("me/clips")`.

    Rows whose clip cannot be read are left out and named in `info.description`. The bytes lie in an Arrow file of the
    cache, not in memory.

    Raises:
        ValueError: no clip can be read, or the disk is full.
    """
    import datasets
    import pyarrow as pa

    from heygen_hf.data.sources.columns import make_info
    from heygen_hf.data.sources.materialized import BATCH_BYTES, rows_to_table

    features = make_features(_columns_of(dataset))
    report = ExportReport()
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / "heygen_hf_videos"
    path = folder / f"embedded-{uuid.uuid4().hex}.arrow"
    with _told_when_full(path):
        folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, features.arrow_schema) as writer:
            for group in _batches(_embedded(dataset, report), BATCH_BYTES):
                writer.write_table(rows_to_table(group, features.arrow_schema))
    if not report.num_rows:
        path.unlink()
        raise ValueError(_nothing(report))
    notes = [f"{len(report.skipped)} clips cannot be read and are left out: {_named(report)}"] if report.skipped else []
    return datasets.Dataset.from_file(str(path), info=make_info(features, notes))


def _columns_of(dataset: Rows) -> list[str]:
    names = dataset.column_names
    if not names or "video" not in names or "file_name" not in names:
        raise ValueError(
            f"the data set has the columns {', '.join(names or [])}; expected video and file_name, as "
            "load_video_dataset gives them"
        )
    return list(names)


def _embedded(dataset: Rows, report: ExportReport) -> Iterator[dict[str, Any]]:
    """Rows with their bytes; those without are counted and left out."""
    for row in dataset:
        embedded = dict(row)
        problem = None
        for name in MEDIA_COLUMNS:
            if name in row:
                embedded[name], problem = _embed(row[name], name=name, file_name=row["file_name"])
                if problem is not None:
                    break
        if problem is not None:
            report.skipped.append((str(row["file_name"]), problem))
            continue
        report.num_rows += 1
        report.num_bytes += _size(embedded)
        yield embedded


def _embed(value: dict[str, Any] | None, *, name: str, file_name: str) -> tuple[dict[str, Any], str | None]:
    contents: bytes | None = (value or {}).get("bytes")
    path: str | None = (value or {}).get("path")
    if contents is None and path is None:
        problem = "its path leaves the folder, or names no file" if name == "video" else None
        return {"bytes": None, "path": None}, problem
    if contents is None:
        if path is None or not os.path.isfile(path):  # a pipe would be waited for
            return {"bytes": None, "path": None}, f"there is no file at {path}"
        try:
            contents = Path(path).read_bytes()
        except OSError as error:
            return {"bytes": None, "path": None}, str(error.strerror or error)
    short = file_name if name == "video" else os.path.basename(path or "")
    return {"bytes": contents, "path": short}, None if contents else "the file is empty"


def _size(row: dict[str, Any]) -> int:
    return sum(len(row[name]["bytes"] or b"") for name in MEDIA_COLUMNS if name in row)


def _batches(rows: Iterable[dict[str, Any]], num_bytes: int) -> Iterator[list[dict[str, Any]]]:
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += _size(row)
        if size >= num_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


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
    rows = _embedded(dataset, report)
    partial = folder / f".partial-{uuid.uuid4().hex}"
    try:
        with _told_when_full(folder):
            partial.mkdir(parents=True)
            written: list[Path] = []
            first = next(rows, None)
            while first is not None:
                waiting = [first]

                def take(waiting: list[dict[str, Any]] = waiting) -> Iterator[dict[str, Any]]:
                    size = count = 0
                    while waiting and size < max_bytes and (max_rows is None or count < max_rows):
                        row = waiting.pop()
                        size, count = size + _size(row), count + 1
                        yield row
                        waiting.extend(row for row in (next(rows, None),) if row is not None)

                written.append(partial / f"{len(written)}.{suffix}")
                write(written[-1], take())
                first = waiting.pop() if waiting else None
            if not written:
                raise ValueError(_nothing(report))
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


@contextmanager
def _told_when_full(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror or error}); make room or choose another place"
        ) from None


def _nothing(report: ExportReport) -> str:
    return f"none of the {len(report.skipped)} clips can be read: {_named(report)}"


def _named(report: ExportReport) -> str:
    return name_some([f"{name}: {reason}" for name, reason in report.skipped])
