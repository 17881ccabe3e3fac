"""`heygen-hf evaluate --checks` as the command line hands it on."""

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
    rows = []
    for number in range(12):
        frames = torch.full((4, 3, 16, 16), 20 * number)
        frames[1::2] += 30 * (number % 2)
        write_video(folder / f"{number:02d}.mp4", frames.clamp(0, 255).byte(), lossless=True)
        rows.append({"file_name": f"{number:02d}.mp4", "text": "x", "odd": bool(number % 2), "half": number // 6})
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_options_reach_the_checks(videos: Path, tmp_path: Path) -> None:
    file = tmp_path / "checks.json"
    command = ["evaluate", str(videos), "--checks", "groups,memorization", "--groups", "odd,half"]
    options = ["--metrics", "temporal_flicker", "--training-data", str(videos), "--reference", str(videos)]
    result = CliRunner().invoke(app, [*command, *options, "--num-videos", "12", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "Worst groups" in result.output
    found = json.loads(file.read_text())["checks"]
    worst = next(f for f in found["groups"]["figures"] if f["details"]["group_column"] == "odd")
    assert worst["details"]["group"] == "True"
    assert found["memorization"]["details"]["nearest_pairs"]["pixels"][0]["distance"] == 0
    assert (tmp_path / found["memorization"]["files"][0]).is_file()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--groups", "odd"], "--groups goes with --checks"),
        (["--metrics", "ssim", "--training-data", "x"], "--training-data goes with --checks"),
        (["--checks", "groups", "--limit", "3"], "--limit does not go with --checks"),
        (["--checks", "groups", "--checkpoints"], "--checkpoints does not go with --checks"),
        (["--checks", "groups", "--allow-too-few"], "--allow-too-few does not go with --checks"),
        (["data.train=x", "--checks", "groups"], "data.train=x does not go with --checks"),
        (["--checks", "fairness"], "there is no check 'fairness'"),
    ],
)
def test_options_of_another_kind_are_refused(videos: Path, options: list[str], said: str) -> None:
    error = CliRunner().invoke(app, ["evaluate", str(videos), *options]).exception
    assert isinstance(error, ValueError)
    assert said in str(error)
