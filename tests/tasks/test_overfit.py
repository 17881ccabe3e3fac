import json
import sys
from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_the_folder_recipe_learns_one_clip_by_heart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """A drawn 64 × 64 clip: smooth colour waves that drift, at least 25 dB."""
    time = torch.arange(16)[:, None, None, None]
    channel = torch.arange(3)[None, :, None, None]
    row, column = torch.arange(64)[None, None, :, None], torch.arange(64)[None, None, None, :]
    wave = torch.sin(row / 9 + channel) * torch.cos(column / 7 - time / 4)
    write_video(tmp_path / "waves.mp4", ((wave + 1) * 127).to(torch.uint8), frame_rate=16)

    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import overfit_clip

    monkeypatch.setattr(sys, "argv", ["overfit_clip.py", str(tmp_path / "waves.mp4")])
    overfit_clip.main()

    assert json.loads(capsys.readouterr().out.strip().splitlines()[-1])["psnr_db"] >= 25
