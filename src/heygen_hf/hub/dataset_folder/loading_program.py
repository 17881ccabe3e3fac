"""What the isolated process does with a data set: load it in both promised ways and compare every clip and caption.

It imports nothing of this package at its top: it runs where the package cannot be imported, too.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def ways_of(job: dict[str, Any]) -> Callable[[str, bool], str | None]:
    """What loads one way and says what is wrong with it."""

    def run(_: str, without: bool) -> str | None:
        way = _by_datasets if without else _by_package
        for split, expected_file in job["splits"].items():
            expected = json.loads(Path(expected_file).read_text(encoding="utf-8"))
            most = job["max_rows"]
            made = way(job, split) if most is None else itertools.islice(way(job, split), most)
            problem = difference(expected if most is None else expected[:most], made)
            if problem is not None:
                return f"{split}: {problem}"
        return None

    return run


def difference(expected: list[list[str]], made: Iterator[tuple[str, str]]) -> str | None:
    """Where rows of `(SHA-256, caption)` differ first."""
    number = 0
    for number, (row, wanted) in enumerate(zip(made, expected, strict=False), 1):
        if row[0] != wanted[0]:
            return f"the clip of row {number} is not the one that was checked"
        if row[1] != wanted[1]:
            return f"the caption of row {number} is {row[1][:80]!r}, it was {wanted[1][:80]!r}"
    if number < len(expected):
        return f"it has {number} rows of {len(expected)}"
    return "it has more rows than were checked" if next(iter(made), None) is not None else None


def _by_datasets(job: dict[str, Any], split: str) -> Iterator[tuple[str, str]]:
    """`datasets.load_dataset`, as everybody does."""
    import datasets

    datasets.disable_progress_bars()
    options = {} if job["revision"] is None else {"revision": job["revision"]}
    found: Any = datasets.load_dataset(job["source"], split=split, streaming=job["max_rows"] is not None, **options)
    column = next(name for name, feature in found.features.items() if isinstance(feature, datasets.Video))
    found = found.cast_column(column, datasets.Video(decode=False))
    for other, feature in list(found.features.items()):
        if other != column and isinstance(feature, datasets.Video):
            found = found.cast_column(other, datasets.Video(decode=False))
        if isinstance(feature, datasets.Audio):
            found = found.cast_column(other, datasets.Audio(decode=False))
    for row in found:
        text = row["json"][job["caption_column"]] if "json" in row else row[job["caption_column"]]
        yield _hash(row[column]), text


def _by_package(job: dict[str, Any], split: str) -> Iterator[tuple[str, str]]:
    """This package's own source."""
    from heygen_hf.data import load_video_dataset

    source = job["source"] if job["revision"] is None else f"hf://datasets/{job['source']}@{job['revision']}"
    found = load_video_dataset(
        source, split=split, streaming=job["max_rows"] is not None, caption_column=job["caption_column"]
    )
    for row in found:
        yield _hash(row["video"]), row["text"]


def _hash(video: dict[str, Any]) -> str:
    """Of a clip as bytes, a file here, or a file of the Hub."""
    if video["bytes"] is not None:
        return hashlib.sha256(video["bytes"]).hexdigest()
    if "://" not in video["path"]:
        with open(video["path"], "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    import fsspec

    with fsspec.open(video["path"], "rb") as remote:
        return hashlib.sha256(remote.read()).hexdigest()
