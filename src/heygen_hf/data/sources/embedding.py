"""Rows with the bytes of their clips inside, and the account of those that cannot be read."""

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.columns import make_features
from heygen_hf.data.sources.shards import MEDIA_COLUMNS, VideoShards

if TYPE_CHECKING:
    import datasets

Rows: TypeAlias = "datasets.Dataset | datasets.IterableDataset | VideoShards"


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

    features = make_features(columns_of(dataset))
    report = ExportReport()
    folder = Path(cache_dir or datasets.config.HF_DATASETS_CACHE) / "heygen_hf_videos"
    path = folder / f"embedded-{uuid.uuid4().hex}.arrow"
    with told_when_full(path):
        folder.mkdir(parents=True, exist_ok=True)
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, features.arrow_schema) as writer:
            for group in batch_rows(embed_rows(dataset, report), BATCH_BYTES):
                writer.write_table(rows_to_table(group, features.arrow_schema))
    if not report.num_rows:
        path.unlink()
        raise ValueError(nothing_left(report))
    notes = [f"{len(report.skipped)} clips cannot be read and are left out: {_named(report)}"] if report.skipped else []
    return datasets.Dataset.from_file(str(path), info=make_info(features, notes))


def columns_of(dataset: Rows) -> list[str]:
    """The columns of an opened data set."""
    names = dataset.column_names
    if not names or "video" not in names or "file_name" not in names:
        raise ValueError(
            f"the data set has the columns {', '.join(names or [])}; expected video and file_name, as "
            "load_video_dataset gives them"
        )
    return list(names)


def embed_rows(dataset: Rows, report: ExportReport) -> Iterator[dict[str, Any]]:
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
        report.num_bytes += media_bytes(embedded)
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


def media_bytes(row: dict[str, Any]) -> int:
    """Bytes of the clip and the sound of a row."""
    return sum(len(row[name]["bytes"] or b"") for name in MEDIA_COLUMNS if name in row)


def batch_rows(rows: Iterable[dict[str, Any]], num_bytes: int) -> Iterator[list[dict[str, Any]]]:
    """Rows in lists of about `num_bytes`."""
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += media_bytes(row)
        if size >= num_bytes:
            yield held
            held, size = [], 0
    if held:
        yield held


@contextmanager
def told_when_full(path: Path) -> Iterator[None]:
    """Turn what a full or closed disk raises into a line with a remedy."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written ({error.strerror or error}); make room or choose another place"
        ) from None


def nothing_left(report: ExportReport) -> str:
    """The message where no clip can be read."""
    return f"none of the {len(report.skipped)} clips can be read: {_named(report)}"


def _named(report: ExportReport) -> str:
    return name_some([f"{name}: {reason}" for name, reason in report.skipped])
