"""`heygen-hf evaluate --metrics` as the command line hands it on."""

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import write_video


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number in range(3):
        write_video(folder / f"{number}.mp4", torch.full((4, 3, 16, 16), 60 * number).byte(), lossless=True)
    return folder


def test_options_reach_the_measurement(videos: Path, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    command = ["evaluate", str(videos), "--metrics", "temporal_flicker,ssim", "--reference", str(videos)]
    result = CliRunner().invoke(app, [*command, "--num-videos", "3", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "temporal_flicker ↑" in result.output
    figures = json.loads(file.read_text())["metrics"]
    assert figures["ssim"]["value"] == pytest.approx(1)
    assert figures["temporal_flicker"]["value"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reference", "x"], "--reference goes with --metrics"),
        (["--allow-too-few"], "--allow-too-few goes with --metrics"),
        (["--checkpoints"], "--checkpoints goes with --metrics"),
        (["--metrics", "ssim", "--checkpoints"], "--checkpoints is of a run, and"),
        (["--metrics", "ssim", "--limit", "3"], "--limit does not go with --metrics"),
        (["data.train=x", "--metrics", "ssim"], "data.train=x does not go with --metrics"),
    ],
)
def test_options_of_the_other_kind_are_refused(videos: Path, options: list[str], said: str) -> None:
    error = CliRunner().invoke(app, ["evaluate", str(videos), *options]).exception
    assert isinstance(error, ValueError)
    assert said in str(error)
