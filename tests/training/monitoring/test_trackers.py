import os
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import TrainerCallback

from heygen_hf._optional import is_available
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments
from heygen_hf.training.monitoring.trackers import in_run_folder

MakeTrainer = Callable[..., VideoGenerationTrainer]


def events(folder: Path) -> dict[str, dict[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"histograms": 0})
    found.Reload()
    scalars = {tag: {event.step: event.value for event in found.Scalars(tag)} for tag in found.Tags()["scalars"]}
    return scalars | {tag: {event.step: 0.0 for event in found.Histograms(tag)} for tag in found.Tags()["histograms"]}


@pytest.mark.skipif(not is_available("tensorboard"), reason="needs tensorboard")
def test_tensorboard_has_what_the_log_has(make_trainer: MakeTrainer) -> None:
    options = {"report_to": "tensorboard", "histogram_steps": 4}
    trainer = make_trainer("run/checkpoints", **options)
    trainer.train()
    folder = trainer.args.run_folder
    assert folder.name == trainer.args.run_name == "run"
    found = events(folder / "tensorboard")
    logged = {entry["step"]: entry["loss"] for entry in trainer.state.log_history if "loss" in entry}
    assert found["train/loss"] == pytest.approx(logged)
    assert {"train/mfu", "train/grad_norm", "train/peak_memory_gib", "eval/loss_at_0.1"} <= found.keys()
    assert list(found["gradient/transformer.layers.0"]) == [4, 8]

    # Resumed: the steps behind the checkpoint are there once.
    resumed = make_trainer("run/checkpoints", **options)
    resumed.train(resume_from_checkpoint=str(folder / "checkpoints" / "checkpoint-6"))
    assert events(folder / "tensorboard")["train/loss"] == pytest.approx(logged)


def test_a_tracker_that_is_not_installed_is_named_before_anything_is_done(tmp_path: Path) -> None:
    missing = next((name for name in ("wandb", "trackio", "mlflow") if not is_available(name)), None)
    if missing is None:
        pytest.skip("every tracker is installed")
    with pytest.raises(ImportError, match=rf"{missing} is needed for .*: pip install 'heygen_hf\[{missing}\]'"):
        VideoGenerationTrainingArguments(output_dir=str(tmp_path), report_to=["tensorboard", missing])


class MLflowCallback(TrainerCallback):
    """As transformers' in what counts here: it reads the variables when it is set up."""

    seen: str | None = None

    def setup(self) -> None:
        self.seen = os.environ.get("MLFLOW_TRACKING_URI")


def test_trackers_write_into_the_run_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    callback = in_run_folder(MLflowCallback(), tmp_path / "run")
    callback.setup()
    assert callback.seen == f"sqlite:///{tmp_path}/run/mlflow.db"
    assert "MLFLOW_TRACKING_URI" not in os.environ  # the next run has a folder of its own
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    callback.setup()
    assert callback.seen == "http://elsewhere"
