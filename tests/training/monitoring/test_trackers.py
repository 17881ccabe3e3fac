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


class WandbCallback(TrainerCallback):
    """As transformers' in what counts here: it reads the variables when it is set up."""

    seen: str | None = None

    def setup(self) -> None:
        self.seen = os.environ.get("WANDB_DIR")


@pytest.mark.skipif(not is_available("mlflow"), reason="needs mlflow")
def test_mlflow_keeps_its_database_in_the_run(make_trainer: MakeTrainer) -> None:
    import mlflow

    trainer = make_trainer("run/checkpoints", report_to="mlflow", max_steps=2, save_strategy="no")
    trainer.train()
    client = mlflow.MlflowClient(f"sqlite:///{trainer.args.run_folder.resolve()}/mlflow.db")
    (run,) = client.search_runs([found.experiment_id for found in client.search_experiments()])
    assert run.info.run_name == "run"
    assert run.data.metrics["loss"] == pytest.approx(trainer.state.log_history[1]["loss"])


def test_trackers_write_into_the_run_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_DIR", raising=False)
    callback = in_run_folder(WandbCallback(), tmp_path / "run")
    callback.setup()
    assert callback.seen == f"{tmp_path}/run"
    assert "WANDB_DIR" not in os.environ  # the next run has a folder of its own
    monkeypatch.setenv("WANDB_DIR", "elsewhere")
    callback.setup()
    assert callback.seen == "elsewhere"
