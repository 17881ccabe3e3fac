"""A batch that memory does not hold goes through the model in pieces, and the step stays what it is."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer

MakeTrainer = Callable[..., VideoGenerationTrainer]


def holds(trainer: VideoGenerationTrainer, most: int, *, from_step: int = 0) -> list[int]:
    """Let memory hold `most` samples from a step on; returns the sizes that are let through, as they come."""
    passed = []

    def refuse(model: torch.nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        samples = len(kwargs["pixel_values"])
        if model.training and samples > most and trainer.state.global_step >= from_step:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {samples} GiB.")
        passed.append(samples)

    trainer.model.register_forward_pre_hook(refuse, with_kwargs=True)
    return passed


def largest_difference(first: VideoGenerationTrainer, second: VideoGenerationTrainer) -> float:
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    averages = zip(first.ema.state_dict().values(), second.ema.state_dict().values(), strict=True)
    return max(float((a - b).abs().max().detach()) for a, b in [*pairs, *averages])


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_pieces_make_the_step_of_the_whole_batch(make_trainer: MakeTrainer, accumulation: int) -> None:
    options = {"ema_decay": 0.9, "eval_strategy": "no", "save_strategy": "no", "max_steps": 4}
    options["gradient_accumulation_steps"] = accumulation
    whole = make_trainer("whole", **options)
    whole.train()
    # In the middle of a step of two micro-batches, and not at once.
    fitted = make_trainer("fitted", auto_find_batch_size=True, **options)
    passed = holds(fitted, 1, from_step=1)
    fitted.train()
    assert set(passed[accumulation:]) == {1}
    assert largest_difference(whole, fitted) < 1e-6
    losses = [[entry["loss"] for entry in run.state.log_history if "loss" in entry] for run in (whole, fitted)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert fitted.state.global_step == 4
    assert fitted.state.train_batch_size == 1


def test_memory_that_runs_out_in_the_backward_pass_leaves_no_gradient_behind(make_trainer: MakeTrainer) -> None:
    options = {"ema_decay": 0.9, "eval_strategy": "no", "save_strategy": "no", "max_steps": 3}
    whole = make_trainer("whole", **options)
    whole.train()
    fitted = make_trainer("fitted", auto_find_batch_size=True, **options)

    samples = [0]

    def refuse(gradient: torch.Tensor) -> None:
        if samples[0] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    fitted.model.register_forward_pre_hook(
        lambda model, args, kwargs: samples.__setitem__(0, len(kwargs["pixel_values"])), with_kwargs=True
    )
    # The first layer is the last in the backward pass: all others have their gradients by then.
    fitted.model.transformer.patch_proj.weight.register_hook(refuse)
    fitted.train()
    assert fitted.state.train_batch_size == 2
    assert largest_difference(whole, fitted) < 1e-6


def test_the_size_is_in_the_log_and_a_resumed_run_goes_on_with_it(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    options = {"auto_find_batch_size": True, "ema_decay": 0.9, "eval_strategy": "no", "save_steps": 4}
    log = tmp_path / "log.jsonl"
    straight = make_trainer("straight", callbacks=[JsonLinesLog(log)], **options)
    holds(straight, 2)
    straight.train()
    assert {"step": 0, "samples_at_a_time": 2}.items() <= json.loads(log.read_text().splitlines()[0]).items()

    resumed = make_trainer("straight", **options)
    passed = holds(resumed, 4)
    resumed.train(resume_from_checkpoint=str(tmp_path / "straight" / "checkpoint-4"))
    assert set(passed) == {2}
    assert largest_difference(straight, resumed) == 0


def test_what_no_smaller_batch_helps_is_said_in_a_line(make_trainer: MakeTrainer) -> None:
    never = make_trainer("never", auto_find_batch_size=True)
    holds(never, 0)
    with pytest.raises(ValueError, match=r"hold the training of a single sample: set training\.gradient_checkpointing"):
        never.train()

    elsewhere = make_trainer("elsewhere", auto_find_batch_size=True)
    optimizer = elsewhere.create_optimizer()

    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    optimizer.register_step_pre_hook(refuse)
    with pytest.raises(ValueError, match="outside of the model's passes"):
        elsewhere.train()


def test_unasked_the_error_is_torchs(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    holds(trainer, 2)
    with pytest.raises(torch.OutOfMemoryError):
        trainer.train()
