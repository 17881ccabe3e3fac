"""What a resume takes up beside the weights: the end of a run, its best step, early stopping; what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import EarlyStoppingCallback, TrainerCallback

from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.checkpoints.files import publish_checkpoint
from heygen_hf.training.checkpoints.preemption import Preempted
from heygen_hf.training.checkpoints.progress import PROGRESS_FILE

MakeTrainer = Callable[..., VideoGenerationTrainer]


def folder_of(trainer: VideoGenerationTrainer) -> Path:
    return Path(trainer.args.output_dir)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def figures(trainer: VideoGenerationTrainer) -> list[tuple]:
    keys = ("step", "loss", "eval_loss", "train_loss")
    return [tuple(entry.get(key) for key in keys) for entry in trainer.state.log_history]


def rewrite_progress(checkpoint: Path, change: Callable[[dict], dict | None]) -> None:
    """Make a checkpoint one that another version might have written."""
    values = change(json.loads((checkpoint / PROGRESS_FILE).read_text()))
    (checkpoint / PROGRESS_FILE).unlink()
    if values is not None:
        (checkpoint / PROGRESS_FILE).write_text(json.dumps(values))
    (checkpoint / "complete.json").unlink()
    publish_checkpoint(checkpoint.rename(checkpoint.parent / ".staging"), checkpoint)


class RequestStop(TrainerCallback):
    """As a signal at the beginning of a step, or when training ends."""

    def __init__(self, *, step: int | None = None) -> None:
        self.step = step

    def note(self) -> None:
        self.trainer.stop_request._note(15, None)

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step + 1 == self.step:
            self.note()

    def on_train_end(self, args, state, control, **kwargs) -> None:
        if self.step is None:
            self.note()


def with_stop(make_trainer: MakeTrainer, stop: RequestStop, **options) -> VideoGenerationTrainer:
    stop.trainer = make_trainer("stopped", callbacks=[stop], **options)
    return stop.trainer


@pytest.mark.parametrize("strategy", ["steps", "epoch"])
def test_the_last_step_of_the_last_epoch_loses_nothing(make_trainer: MakeTrainer, strategy: str) -> None:
    options = {"max_steps": 10, "save_steps": 5, "logging_steps": 4, "eval_strategy": strategy, "eval_steps": 5}
    straight = make_trainer("straight", **options)
    output = straight.train()
    assert [entry[0] for entry in figures(straight) if entry[2] is not None] == [5, 10]
    again = make_trainer("straight", **options)
    assert again.train(resume_from_checkpoint=True).training_loss == output.training_loss > 0
    assert figures(again) == figures(straight)
    with pytest.raises(Preempted):
        with_stop(make_trainer, RequestStop(step=10), **options).train()
    resumed = make_trainer("stopped", **options)
    resumed.train(resume_from_checkpoint=True)
    assert figures(resumed) == figures(straight)


def test_an_older_checkpoint_leaves_the_other_branch(make_trainer: MakeTrainer, capfd) -> None:
    options = {"eval_strategy": "no", "save_total_limit": None}
    make_trainer(**options).train()
    resumed = make_trainer(**options, max_steps=5)
    resumed.train(resume_from_checkpoint=str(folder_of(resumed) / "checkpoint-4"))
    assert names(folder_of(resumed)) == ["checkpoint-2", "checkpoint-4", "checkpoint-5"]
    assert "from checkpoint-4; deleted what came after it: checkpoint-8, checkpoint-6" in capfd.readouterr().err


def test_one_that_is_not_taken_up_deletes_nothing(make_trainer: MakeTrainer) -> None:
    options = {"eval_strategy": "no", "save_total_limit": None}
    make_trainer(**options).train()
    other = make_trainer(**options, optimizer="muon")
    with pytest.raises(ValueError, match=r"optimiser adamw_torch, and this one has muon: set training\.optimizer"):
        other.train(resume_from_checkpoint=str(folder_of(other) / "checkpoint-2"))
    assert len(names(folder_of(other))) == 4


def test_a_signal_behind_the_last_step_is_not_lost(make_trainer: MakeTrainer, capfd) -> None:
    with pytest.raises(Preempted) as stop:
        with_stop(make_trainer, RequestStop(), max_steps=2, eval_strategy="no").train()
    assert (stop.value.code, stop.value.step) == (143, 2)
    assert "preempted by SIGTERM at step 2" in capfd.readouterr().err


def test_the_best_one_that_was_saved_is_loaded(make_trainer: MakeTrainer, capfd) -> None:
    options = {
        "max_steps": 8,
        "save_steps": 4,
        "eval_steps": 2,
        "metric_for_best_model": "eval_loss",
        "load_best_model_at_end": True,
    }
    trainer = make_trainer(**options)
    losses = iter([4.0, 3.0, 2.0, 5.0])  # the best is that of step 6, which is not saved
    plain = trainer.evaluate

    def evaluate(*args, **kwargs) -> dict[str, float]:
        return {**plain(*args, **kwargs), "eval_loss": next(losses)}

    trainer.evaluate = evaluate
    trainer.train()
    assert trainer.state.best_global_step == 6
    assert Path(trainer.state.best_model_checkpoint).name == "checkpoint-4"
    assert "the best step, 6, was not saved; checkpoint-4 is the best that was" in capfd.readouterr().err
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=True)
    assert Path(resumed.state.best_model_checkpoint).name == "checkpoint-4"
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(weight, resumed.model.state_dict()[name])


def test_trained_again_starts_as_a_new_one(make_trainer: MakeTrainer) -> None:
    options = {"max_steps": 3, "save_strategy": "no", "logging_steps": 2, "eval_strategy": "no", "learning_rate": 0.0}
    trainer = make_trainer(**options)
    trainer.stop_request.received = 15  # a signal that is long past
    trainer.train()
    once = figures(trainer)
    trainer.train()
    assert figures(trainer) == once


def test_a_checkpoint_without_progress_counts_its_own_steps(make_trainer: MakeTrainer) -> None:
    options = {"eval_strategy": "no", "logging_steps": 2, "max_steps": 6}
    straight = make_trainer(**options)
    straight.train()
    rewrite_progress(folder_of(straight) / "checkpoint-4", lambda _: None)
    resumed = make_trainer(**options)
    output = resumed.train(resume_from_checkpoint=str(folder_of(straight) / "checkpoint-4"))
    assert output.training_loss == pytest.approx(figures(straight)[-2][1])  # that of the last two steps


def test_another_optimiser_of_an_older_version_and_another_average_are_one_line(make_trainer: MakeTrainer) -> None:
    options = {"eval_strategy": "no", "max_steps": 2}
    straight = make_trainer(**options)
    straight.train()
    checkpoint = folder_of(straight) / "checkpoint-2"
    for decay, ours in ((None, 0.9), (0.9, None)):
        first = make_trainer(f"average {decay}", **options, ema_decay=decay)
        first.train()
        with pytest.raises(ValueError, match=r"an average of the weights, and this one is with.* training\.ema_decay"):
            make_trainer(f"average {decay}", **options, ema_decay=ours).train(resume_from_checkpoint=True)
    rewrite_progress(checkpoint, lambda values: {**values, "optimizer": None})
    with pytest.raises(ValueError, match=r"cannot resume from checkpoint-2: its optimiser's .* training\.optimizer"):
        make_trainer(**options, optimizer="muon").train(resume_from_checkpoint=True)


def test_early_stopping_is_remembered(make_trainer: MakeTrainer, tmp_path: Path, capfd) -> None:
    options = {
        "eval_steps": 2,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": True,  # it learns: none is better than the first
        "save_total_limit": None,
    }
    straight = make_trainer(**options, callbacks=[EarlyStoppingCallback(early_stopping_patience=2)])
    straight.train()
    assert straight.state.global_step == 6
    # Between the first evaluation without progress and the second.
    shutil.copytree(folder_of(straight) / "checkpoint-4", tmp_path / "between" / "checkpoint-4")
    between = make_trainer("between", **options, callbacks=[EarlyStoppingCallback(early_stopping_patience=2)])
    between.train(resume_from_checkpoint=True)
    assert figures(between) == figures(straight)
    ended = make_trainer(**options, callbacks=[EarlyStoppingCallback(early_stopping_patience=2)])
    ended.train(resume_from_checkpoint=True)
    assert figures(ended) == figures(straight)
    assert "ended early at step 6; raise training.max_steps" in capfd.readouterr().err
    longer = make_trainer(**options, max_steps=9)  # without the callback
    longer.train(resume_from_checkpoint=True)
    assert longer.state.global_step == 9


def test_the_evaluation_before_the_first_step_is_not_repeated(make_trainer: MakeTrainer) -> None:
    options = {"eval_on_start": True, "eval_strategy": "no", "max_steps": 4}
    make_trainer(**options).train()
    resumed = make_trainer(**options)
    resumed.train(resume_from_checkpoint=str(folder_of(resumed) / "checkpoint-2"))
    assert [entry["step"] for entry in resumed.state.log_history if "eval_loss" in entry] == [0]
