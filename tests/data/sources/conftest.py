"""The same clips in every kind of source. Nothing here is decoded, so a clip is a few bytes."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Copies of embedded clips go to the test's own folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets_cache")


@pytest.fixture
def write_tar() -> Callable[[Path, Mapping[str, bytes | str]], Path]:
    def write(path: Path, members: Mapping[str, bytes | str] | list[tuple[str, bytes | str]]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for name, contents in members.items() if isinstance(members, Mapping) else members:
                held = contents.encode() if isinstance(contents, str) else contents
                header = tarfile.TarInfo(name)
                header.size = len(held)
                tar.addfile(header, io.BytesIO(held))
        return path

    return write


@pytest.fixture
def write_parquet() -> Callable[..., Path]:
    def write(path: Path, rows: list[dict], *, row_group_size: int = 2) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=row_group_size)
        return path

    return write


@pytest.fixture
def rows() -> list[dict]:
    """Seven clips with captions and a label."""
    return [
        {"name": f"{n}.mp4", "bytes": f"clip {n}".encode() * 9, "text": f"caption {n}", "digit": n} for n in range(7)
    ]


@pytest.fixture
def sources(tmp_path, rows, write_tar, write_parquet) -> dict[str, str]:
    """The seven clips as a folder, two Parquet files and two tars."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for row in rows:
        (folder / row["name"]).write_bytes(row["bytes"])
    lines = [{"file_name": row["name"], "text": row["text"], "digit": row["digit"]} for row in rows]
    (folder / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for number, part in enumerate((rows[:4], rows[4:])):
        write_parquet(
            tmp_path / "parquet" / f"{number}.parquet",
            [
                {
                    "video": {"bytes": row["bytes"], "path": row["name"]},
                    "text": row["text"],
                    "digit": row["digit"],
                }
                for row in part
            ],
        )
        members: list[tuple[str, bytes | str]] = []
        for row in part:
            key = row["name"].removesuffix(".mp4")
            members += [(f"{key}.mp4", row["bytes"]), (f"{key}.json", json.dumps({"digit": row["digit"]}))]
            members += [(f"{key}.txt", row["text"])]
        write_tar(tmp_path / "tars" / f"{number}.tar", members)
    return {
        "folder": str(folder),
        "parquet": str(tmp_path / "parquet" / "*.parquet"),
        "tars": str(tmp_path / "tars" / "*.tar"),
    }


def contents(row: dict) -> bytes:
    """The clip of a row, wherever it is."""
    video = row["video"]
    return video["bytes"] if video["bytes"] is not None else Path(video["path"]).read_bytes()


@pytest.fixture(name="contents")
def contents_fixture() -> Callable[[dict], bytes]:
    return contents
