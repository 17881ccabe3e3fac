import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from heygen_hf.data import render_moving_digits
from heygen_hf.tasks.overfitting import judge, overfit_one_batch
from heygen_hf.training.debugging.one_batch import RepeatedBatch, without_dropout


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overfit")
    render_moving_digits(folder / "digits", num_train=24, num_validation=8, num_test=8, progress=False)
    values = {
        "task": "text_to_video",
        "output_dir": str(folder / "run"),
        "model": {
            "patch_size": [8, 8, 8],
            "hidden_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
            "prediction_type": "sample",  # noise does not fit through 32 channels
            "min_timestep": 0.3,
        },
        "data": {"train": str(folder / "digits"), "cache_dir": str(folder / "cache"), "augmentation": {}},
        "processor": {"num_frames": 8, "height": 32, "width": 32},
        "training": {
            "max_steps": 5000,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "muon_learning_rate": 0.01,
            "learning_rate": 0.01,
            "precision": "fp32",
            "disable_tqdm": True,
        },
    }
    path = folder / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_a_recipe_that_works_learns_its_batch_beside_the_run(recipe: Path, capsys) -> None:
    real = recipe.parent / "run"
    real.mkdir()
    (real / "log.jsonl").write_text("of the real run")

    result = overfit_one_batch(recipe, ["training.max_steps=120"])

    assert result.verdict == "learned"
    assert result.steps == 120
    assert result.line().startswith("ok: the loss went from")
    assert {path.name for path in result.folder.iterdir()} == {"recipe.yaml", "log.jsonl", "overfit.json"}
    assert result.folder == recipe.parent / "run_overfit_one_batch"
    assert (real / "log.jsonl").read_text() == "of the real run"
    assert json.loads((result.folder / "overfit.json").read_text())["verdict"] == "learned"


def test_frozen_learning_is_called_stuck_and_every_step_sees_the_same(recipe: Path) -> None:
    """With nothing learned the loss stays to the last bit: batch, noise and timesteps are those of the first step."""
    overrides = ["training.max_steps=3", "training.muon_learning_rate=0", "training.learning_rate=0"]

    result = overfit_one_batch(recipe, [*overrides, "training.weight_decay=0"])

    losses = [json.loads(line).get("loss") for line in (result.folder / "log.jsonl").read_text().splitlines()]
    assert len({loss for loss in losses if loss is not None}) == 1
    assert result.verdict == "stuck"
    assert "does not learn" in result.line()


def test_two_hundred_steps_unless_told_otherwise(recipe: Path, monkeypatch) -> None:
    from heygen_hf.tasks import overfitting

    monkeypatch.setattr(overfitting, "STEPS", 2)

    assert overfit_one_batch(recipe).steps == 2


def test_a_folder_of_something_else_is_left_alone(recipe: Path, tmp_path: Path) -> None:
    other = tmp_path / "run_overfit_one_batch"
    other.mkdir()
    (other / "thesis.txt").touch()

    with pytest.raises(ValueError, match="holds something else"):
        overfit_one_batch(recipe, [f"output_dir={tmp_path / 'run'}"])
    assert (other / "thesis.txt").is_file()


def test_several_processes_are_refused(recipe: Path, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="one process"):
        overfit_one_batch(recipe)


@pytest.mark.parametrize(
    ("last", "verdict"), [(0.05, "learned"), (0.3, "slow"), (0.9, "stuck"), (float("nan"), "stuck")]
)
def test_verdicts(last: float, verdict: str, tmp_path: Path) -> None:
    assert judge([1.0, last, last], steps=3, folder=tmp_path).verdict == verdict


def test_a_loss_that_begins_at_zero_cannot_be_judged(tmp_path: Path) -> None:
    result = judge([-1.0, -2.0], steps=2, folder=tmp_path)

    assert result.verdict == "unknown"
    assert result.line().startswith("cannot be judged: the loss went from -1 to -2")
    assert judge([1.0, float("nan")], steps=2, folder=tmp_path).line() == "stuck: the loss is nan"


def test_a_loss_that_is_no_number_is_a_verdict(recipe: Path) -> None:
    """It names the clips that every step trains on, and does not say to go on with what was not saved."""
    overrides = ["training.max_steps=9", "training.muon_learning_rate=1e30", "training.learning_rate=1e30"]
    overfit_one_batch(recipe, ["training.max_steps=1"])
    folder = recipe.parent / "run_overfit_one_batch"
    (folder / "report.html").touch()

    result = overfit_one_batch(recipe, overrides)

    assert result.verdict == "stuck"
    assert re.match(r"stuck: the (loss|gradient norm) is (nan|inf) at step \d; its batch: \S+\.mp4", result.line())
    assert "--resume" not in result.line()
    assert "checkpoint" not in result.line()
    written = json.loads((result.folder / "overfit.json").read_text())
    assert (written["verdict"], written["problem"]) == ("stuck", result.problem)


def test_a_repeated_batch_is_handed_out_whole() -> None:
    batch = {"x": torch.arange(3)}

    drawn = list(RepeatedBatch(batch, times=2).loader())

    assert len(drawn) == 2
    assert all(torch.equal(each["x"], batch["x"]) and each is not batch for each in drawn)


def test_dropout_goes_off_for_good() -> None:
    model = torch.nn.Sequential(torch.nn.Dropout(0.5)).train()
    without_dropout(model)

    assert torch.equal(model(torch.ones(8)), torch.ones(8))
