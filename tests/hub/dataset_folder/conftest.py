"""Small folders of real clips."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.hub.dataset_folder import WrittenDataset, read_splits, write_dataset_card, write_dataset_folder


def make_clip(path: Path, seed: int = 0, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    frames = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=generator)
    write_video(path, frames, lossless=True, **options)
    return path


def write_rows(folder: Path, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    (folder / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def clip() -> Callable[..., Path]:
    return make_clip


@pytest.fixture
def rows() -> Callable[[Path, list[dict]], None]:
    return write_rows


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Two splits with metadata: three clips to train, one of them with two captions, and one to validate."""
    folder = tmp_path / "clips"
    for number in range(3):
        make_clip(folder / "train" / f"{number}.mp4", seed=number)
    make_clip(folder / "validation" / "0.mp4", seed=9)
    train = [{"file_name": f"{i}.mp4", "text": f"clip {i}", "digit": i} for i in (0, 1, 2)]
    write_rows(folder / "train", [*train, {"file_name": "2.mp4", "text": "the third, again", "digit": 2}])
    write_rows(folder / "validation", [{"file_name": "0.mp4", "text": "another", "digit": 7}])
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., WrittenDataset]:
    """Writes the repository's folder of a collection, card included."""

    def run(folder: Path, *, card: dict | None = None, **options) -> WrittenDataset:
        reading = {name: options.pop(name) for name in ("caption_column", "leave_out") if name in options}
        splits = read_splits(folder, **reading)
        reading.pop("leave_out", None)
        written = write_dataset_folder(splits, tmp_path / "repository", progress=False, **reading, **options)
        write_dataset_card(written, repo_id="someone/clips", readme=folder / "README.md", **reading, **(card or {}))
        return written

    return run
