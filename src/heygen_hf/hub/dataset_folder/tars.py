"""WebDataset tars of a split, with all columns of the metadata."""

import io
import json
import tarfile
from pathlib import Path

from heygen_hf.data.sources.folder import SPLIT_NAMES
from heygen_hf.hub.dataset_folder.splits import Row


def write_tars(target: Path, split: str, rows: list[Row], *, caption_column: str, max_mebibytes: float) -> None:
    """Write `split/split-00000-of-00003.tar` and so on: of each row the clip, `.txt` with its caption, `.json`.

    Raises:
        ValueError: a name of a split by which no reader of tars would know it.
    """
    if split not in SPLIT_NAMES:
        raise ValueError(
            f"split {split!r} cannot be written as tars, whose readers know the names {', '.join(SPLIT_NAMES)} alone: "
            "rename its folder, or use --layout videofolder."
        )
    shards: list[list[Row]] = [[]]
    size = 0.0
    for row in rows:
        assert row.video is not None
        row_size = sum(path.stat().st_size for path in (row.video, row.sound) if path)
        if shards[-1] and size + row_size > max_mebibytes * 2**20:
            shards.append([])
            size = 0.0
        shards[-1].append(row)
        size += row_size
    folder = target / split
    folder.mkdir()
    number = 0
    for place, shard in enumerate(shards):
        with tarfile.open(folder / f"{split}-{place:05d}-of-{len(shards):05d}.tar", "w") as tar:
            for row in shard:
                _add(tar, f"{number:09d}", row, caption_column)
                number += 1


def _add(tar: tarfile.TarFile, key: str, row: Row, caption_column: str) -> None:
    assert row.video is not None
    for path in (row.video, row.sound):
        if path is not None:
            with path.open("rb") as file:
                header = tarfile.TarInfo(f"{key}{path.suffix.lower()}")
                header.size = path.stat().st_size
                tar.addfile(header, file)
    texts = {"txt": row.values[caption_column], "json": json.dumps(row.values, ensure_ascii=False)}
    for suffix, text in texts.items():
        contents = text.encode("utf-8")
        header = tarfile.TarInfo(f"{key}.{suffix}")
        header.size = len(contents)
        tar.addfile(header, io.BytesIO(contents))
