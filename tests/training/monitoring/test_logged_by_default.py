import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer
from heygen_hf.training.monitoring.timestep_bands import BAND_NAMES

MakeTrainer = Callable[..., VideoGenerationTrainer]

FIGURES = [
    "loss",
    "grad_norm",
    "learning_rate",
    "samples_per_second",
    "tokens_per_second",
    "flops_per_second",
    "mfu",
    "data_wait_share",
    "padding_share",
    "peak_memory_gib",
]


def test_every_line_has_every_figure(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    trainer = make_trainer(callbacks=[JsonLinesLog(path)], given_frames={"none": 0.5, "first": 0.5}, logging_steps=2)
    trainer.train()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    entries = [line for line in lines if "loss" in line]
    assert len(entries) == 4
    for entry in entries:
        assert set(FIGURES) <= entry.keys()
        # Stratified: each step has every second sample with frames given, and both steps every band but few.
        assert {"loss_given", "loss_whole"} <= entry.keys()
        assert len([name for name in BAND_NAMES if name in entry]) >= 4
        assert (entry["loss_given"] + entry["loss_whole"]) / 2 == pytest.approx(entry["loss"], rel=1e-4)
        assert entry["padding_share"] == 0
        assert 0 < entry["mfu"] < 1.5
    evaluation = next(line for line in lines if "eval_loss" in line)
    assert {f"eval_loss_at_{t}" for t in trainer.args.eval_timesteps} <= evaluation.keys()


def test_bands_sum_up_to_the_loss(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=1, per_device_train_batch_size=10, given_frames=None, eval_strategy="no")
    trainer.train()
    entry = trainer.state.log_history[0]
    # Ten timesteps, one in each tenth: two samples to a band. They are drawn from a distribution of their own.
    assert min(entry[name] for name in BAND_NAMES if name in entry) <= entry["loss"]
    assert max(entry[name] for name in BAND_NAMES if name in entry) >= entry["loss"]


def test_nothing_that_is_logged_changes_what_is_trained(make_trainer: MakeTrainer) -> None:
    options = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 2, "save_strategy": "no"}
    quiet = make_trainer("quiet", **options, logging_strategy="no", eval_strategy="no")
    loud = make_trainer(
        "loud",
        **options,
        logging_steps=1,
        eval_steps=1,
        histogram_steps=1,
        find_nonfinite=True,
        report_to="tensorboard",
    )
    plain = make_trainer("plain", **options, logging_strategy="no", eval_strategy="no")
    for name in ("_inner_training_loop", "training_step", "_get_grad_norm", "log"):
        # Trainer's own, without what is watched here.
        inherited = getattr(super(VideoGenerationTrainer.__mro__[2], plain), name)
        setattr(plain, name, inherited)
    states = []
    for trainer in (quiet, loud, plain):
        torch.manual_seed(5)
        trainer.train()
        states.append(
            (torch.get_rng_state(), list(trainer.model.parameters()), list(trainer.ema.state_dict().values()))
        )
    for state, weights, averages in states[1:]:
        assert torch.equal(state, states[0][0])
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(weights, states[0][1], strict=True))
        assert all(torch.equal(ours, theirs) for ours, theirs in zip(averages, states[0][2], strict=True))


def test_the_parts_of_a_resumed_run_go_on_in_the_middle_of_an_entry(make_trainer: MakeTrainer) -> None:
    straight, resumed = make_trainer(logging_steps=4), make_trainer(logging_steps=4)
    straight.train()
    resumed.train(resume_from_checkpoint=str(Path(straight.args.output_dir) / "checkpoint-6"))
    measured = {
        "samples_per_second",
        "tokens_per_second",
        "flops_per_second",
        "mfu",
        "data_wait_share",
        "peak_memory_gib",
    }
    ours, theirs = (
        [{name: value for name, value in entry.items() if name not in measured} for entry in trainer.state.log_history]
        for trainer in (straight, resumed)
    )
    losses = [[entry for entry in entries if "loss" in entry] for entries in (ours, theirs)]
    assert losses[0] == losses[1]
    assert [entry["step"] for entry in losses[0]] == [4, 8]
