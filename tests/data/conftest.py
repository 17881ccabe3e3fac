"""Small real clips, written as the tests need them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video


@pytest.fixture
def random_frames() -> Callable[..., torch.Tensor]:
    """uint8 noise `(frames, 3, height, width)` by seed."""

    def make(num_frames: int = 8, *, height: int = 16, width: int = 16, seed: int = 0) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(0, 256, (num_frames, 3, height, width), dtype=torch.uint8, generator=generator)

    return make


@pytest.fixture
def clip_folder(tmp_path, random_frames) -> Callable[..., Path]:
    """Write a folder of lossless noise clips `0.mp4 …` (frames by seed = number) with `metadata.jsonl`."""

    def make(num_clips: int = 4, *, name: str = "clips", num_frames: int = 8, **options) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(num_clips):
            frames = random_frames(num_frames, seed=number, **options)
            write_video(folder / f"{number}.mp4", frames, lossless=True)
        write_metadata(
            folder, [{"file_name": f"{number}.mp4", "text": f"clip {number}"} for number in range(num_clips)]
        )
        return folder

    return make


def write_metadata(folder: Path, rows: list[dict]) -> None:
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(name="write_metadata")
def write_metadata_fixture() -> Callable[[Path, list[dict]], None]:
    return write_metadata
