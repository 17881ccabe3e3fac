"""A resumed run is the run that was never stopped: weights, average, log, place in the data, best checkpoint."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.data.loading import EpochBatches
from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer

MakeTrainer = Callable[..., VideoGenerationTrainer]


def losses(trainer: VideoGenerationTrainer) -> list[tuple[int, float]]:
    """Every loss that was logged, the mean of the whole run last."""
    named = [(entry["step"], entry.get("loss", entry.get("train_loss"))) for entry in trainer.state.log_history]
    return [entry for entry in named if entry[1] is not None]


def assert_same(one: VideoGenerationTrainer, other: VideoGenerationTrainer) -> None:
    for name, weight in one.model.state_dict().items():
        assert torch.equal(weight, other.model.state_dict()[name]), name
    for name, average in one.ema.state_dict().items():
        assert torch.equal(average, other.ema.state_dict()[name]), name
    assert losses(one) == losses(other)


def folder_of(trainer: VideoGenerationTrainer) -> Path:
    return Path(trainer.args.output_dir)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"logging_steps": 3}, [4, 8]),
        ({"logging_steps": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}, [4]),
        ({"logging_steps": 8, "dataloader_num_workers": 1, "save_steps": 3}, [6]),
    ],
    ids=["between logs", "accumulated", "with a worker"],
)
def test_going_on_between_two_logs_changes_no_digit(
    make_trainer: MakeTrainer, tmp_path: Path, options: dict, steps: list[int]
) -> None:
    options |= {"save_total_limit": None, "eval_strategy": "no"}
    straight = make_trainer("straight", callbacks=[JsonLinesLog(tmp_path / "straight.jsonl")], **options)
    straight.train()
    for step in steps:
        name = f"checkpoint-{step}"
        shutil.copytree(folder_of(straight) / name, tmp_path / "resumed" / name)
        resumed = make_trainer("resumed", callbacks=[JsonLinesLog(tmp_path / "resumed.jsonl")], **options)
        output = resumed.train(resume_from_checkpoint=True)
        assert_same(straight, resumed)
        assert output.training_loss == losses(straight)[-1][1]
        of_straight, of_resumed = (
            [
                (entry["step"], entry.get("loss"), entry.get("train_loss"))
                for entry in map(json.loads, (tmp_path / f"{name}.jsonl").read_text().splitlines())
            ]
            for name in ("straight", "resumed")
        )
        assert of_straight == of_resumed
        # Also what the next checkpoint says of where the run is.
        last = "checkpoint-8/progress.json"
        assert (tmp_path / "resumed" / last).read_text() == (folder_of(straight) / last).read_text()
        shutil.rmtree(tmp_path / "resumed")


def test_nothing_is_replayed(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    make_trainer().train()
    read: list[list[int]] = []
    plain = EpochBatches.__iter__

    def counting(self: EpochBatches):
        for rows in plain(self):
            read.append(rows)
            yield rows

    monkeypatch.setattr(EpochBatches, "__iter__", counting)
    resumed = make_trainer()
    resumed.train(resume_from_checkpoint=f"{resumed.args.output_dir}/checkpoint-6")
    # 5 batches an epoch: step 7 and 8 are the third and fourth of the second. Validation has no EpochBatches here.
    assert len(read) == 2
    assert resumed._loader.state_dict()["batch"] == 3


def test_the_best_checkpoint_is_known_after_a_move(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    options = {
        "metric_for_best_model": "eval_loss",
        "load_best_model_at_end": True,
        "save_total_limit": 2,
        "eval_steps": 2,
        "greater_is_better": True,  # it learns: the first one is the best
    }
    before = make_trainer("before", max_steps=6, **options)
    before.train()
    assert before.state.best_global_step == 2
    assert Path(before.state.best_model_checkpoint) == folder_of(before) / "checkpoint-2"
    assert sorted(path.name for path in folder_of(before).iterdir()) == ["checkpoint-2", "checkpoint-6"]
    folder_of(before).rename(tmp_path / "after")
    after = make_trainer("after", max_steps=8, **options)
    after.train(resume_from_checkpoint=True)
    assert Path(after.state.best_model_checkpoint) == tmp_path / "after" / "checkpoint-2"
    assert after.state.best_metric == before.state.best_metric
    assert sorted(path.name for path in folder_of(after).iterdir()) == ["checkpoint-2", "checkpoint-8"]
    for name, weight in before.model.state_dict().items():
        assert torch.equal(weight, after.model.state_dict()[name])


def test_an_evaluation_at_the_end_of_an_epoch_is_not_lost(make_trainer: MakeTrainer) -> None:
    options = {"eval_strategy": "epoch", "save_steps": 5, "save_total_limit": None}
    straight = make_trainer(**options)
    straight.train()
    evaluations = [(entry["step"], entry["eval_loss"]) for entry in straight.state.log_history if "eval_loss" in entry]
    assert [step for step, _ in evaluations] == [5, 8]
    for checkpoint in ("checkpoint-5", "checkpoint-8"):
        resumed = make_trainer(**options)
        resumed.train(resume_from_checkpoint=str(folder_of(straight) / checkpoint))
        found = [(entry["step"], entry["eval_loss"]) for entry in resumed.state.log_history if "eval_loss" in entry]
        assert found == evaluations
        assert_same(straight, resumed)


def test_as_many_samples_a_step_go_on_and_others_do_not(make_trainer: MakeTrainer) -> None:
    straight = make_trainer()
    straight.train()
    checkpoint = f"{straight.args.output_dir}/checkpoint-6"
    shared = make_trainer(per_device_train_batch_size=2, gradient_accumulation_steps=2)
    shared.train(resume_from_checkpoint=checkpoint)
    for name, weight in straight.model.state_dict().items():
        torch.testing.assert_close(shared.model.state_dict()[name], weight, atol=2e-5, rtol=1e-4)
    with pytest.raises(
        ValueError,
        match=r"checkpoint-6 is of a run with 4 samples a step .* 2 .*: set training\.per_device_train_batch",
    ):
        make_trainer(per_device_train_batch_size=2).train(resume_from_checkpoint=checkpoint)
    with pytest.raises(ValueError, match="another seed"):
        make_trainer(data_seed=7).train(resume_from_checkpoint=checkpoint)
