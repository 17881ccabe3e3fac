"""`measure_checkpoints`: a row a checkpoint with its averaged weights, a plot, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from heygen_hf.tasks.video_metrics import measure_checkpoints, measure_videos
from heygen_hf.training.checkpoints.files import publish_checkpoint


def write_checkpoint(run: Path, step: int, *, raw: dict, average: dict | None) -> Path:
    staged = run / "checkpoints" / ".staging" / f"checkpoint-{step}"
    staged.mkdir(parents=True)
    for name, tensors in (("model", raw), ("ema", average)):
        if tensors is not None:
            save_file({f"transformer.{key}": value for key, value in tensors.items()}, staged / f"{name}.safetensors")
    final = run / "checkpoints" / staged.name
    publish_checkpoint(staged, final)
    return final


@pytest.fixture
def trained(run: Path, tmp_path: Path) -> Path:
    """A run whose last average was exported; of step 2 it kept no average."""
    copy = Path(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("evaluation")))
    exported = load_file(next((copy / "transformer").glob("*.safetensors")))
    torch.manual_seed(3)
    early = {name: weight + 0.3 * torch.randn_like(weight) for name, weight in exported.items()}
    write_checkpoint(copy, 2, raw=early, average=None)
    write_checkpoint(copy, 10, raw=early, average=exported)
    return copy


def test_each_checkpoint_is_measured_as_the_export_is(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"num_videos": 2, "allow_too_few": True}
    measured = measure_checkpoints(trained, ["fvd,temporal_flicker"], **options)
    export = measure_videos(trained, ["fvd,temporal_flicker"], **options)
    assert list(measured.figures) == [2, 10]
    for name, figure in export.figures.items():
        assert measured.figures[10][name].value == pytest.approx(figure.value, rel=1e-6)
        assert measured.figures[2][name].value != pytest.approx(figure.value, rel=1e-3)
    assert measured.file == trained / "evaluation" / "checkpoints_fvd-temporal_flicker_2_videos_seed_40.json"
    rows = json.loads(measured.file.read_text())["checkpoints"]
    assert [(row["step"], row["averaged"]) for row in rows] == [(2, False), (10, True)]
    assert export.file is not None
    assert rows[1]["videos"]["weights"] == json.loads(export.file.read_text())["videos"]["weights"]
    assert rows[0]["videos"]["weights"] != rows[1]["videos"]["weights"]
    assert measured.plot == measured.file.with_suffix(".png")
    assert measured.plot.read_bytes().startswith(b"\x89PNG")
    assert "Checkpoints (95 % intervals)" in capsys.readouterr().out
    # nothing is made twice
    videos = sorted((trained / "evaluation" / "checkpoints").rglob("*.mp4"))
    before = [video.stat().st_mtime_ns for video in videos]
    measure_checkpoints(trained, ["temporal_flicker"], **options)
    assert len(videos) == 4
    assert [video.stat().st_mtime_ns for video in videos] == before


def test_a_torn_checkpoint_is_left_out_aloud(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (trained / "checkpoints" / "checkpoint-2" / "model.safetensors").write_bytes(b"half")
    measured = measure_checkpoints(trained, ["temporal_flicker"], num_videos=2)
    assert list(measured.figures) == [10]
    assert "checkpoint-2 is left out: model.safetensors has 4 bytes" in capsys.readouterr().out


def test_what_has_no_checkpoints_is_refused(run: Path, trained: Path, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds no whole checkpoint .*save_steps"):
        measure_checkpoints(run, ["temporal_flicker"])
    with pytest.raises(ValueError, match=r"--checkpoints is of a run, and .* holds videos"):
        measure_checkpoints(digits / "test", ["temporal_flicker"])
    encoder = tmp_path / "encoder"
    (encoder / "checkpoints").mkdir(parents=True)
    (encoder / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"holds a model that makes no videos"):
        measure_checkpoints(encoder, ["temporal_flicker"])
    write_checkpoint(trained, 20, raw={"other.weight": torch.zeros(2)}, average=None)
    with pytest.raises(ValueError, match=r"checkpoint-20 does not fit the run's exported model"):
        measure_checkpoints(trained, ["temporal_flicker"], num_videos=2)
