"""A folder of two real clips and a small Hub on loopback."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "hub"))  # `from loopback_hub import LoopbackHub`

from loopback_hub import LoopbackHub

from heygen_hf.data import write_video


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A training and a validation clip, the first with sound in it."""
    folder = tmp_path / "clips"
    for number, split in enumerate(("train", "validation")):
        (folder / split).mkdir(parents=True)
        frames = torch.full((4, 3, 16, 16), 60 * number, dtype=torch.uint8)
        sound = {"audio": torch.zeros(4000), "sampling_rate": 8000} if number == 0 else {}
        write_video(folder / split / "a.mp4", frames, **sound)
        row = {"file_name": "a.mp4", "text": f"a clip of {split}", "number": number}
        (folder / split / "metadata.jsonl").write_text(json.dumps(row) + "\n")
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # for the process that loads
    with LoopbackHub() as running:
        yield running
