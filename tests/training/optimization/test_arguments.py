"""Recomputed blocks and optimisers by name."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.training import VideoGenerationTrainer

MakeTrainer = Callable[..., VideoGenerationTrainer]
SHORT = {"max_steps": 3, "eval_strategy": "no", "save_strategy": "no"}


def weights(trainer: VideoGenerationTrainer) -> list[torch.Tensor]:
    return [weight.detach() for weight in trainer.model.parameters()]


@pytest.mark.parametrize(("every", "calls"), [(1, [2, 2, 2, 2]), (2, [2, 1, 2, 1]), (3, [2, 1, 1, 2])])
def test_every_kth_block_is_computed_twice_and_nothing_changes(
    make_trainer: MakeTrainer, every: int, calls: list[int]
) -> None:
    fields = {"num_hidden_layers": 4}
    plain = make_trainer("plain", model_fields=fields, **SHORT)
    plain.train()
    trainer = make_trainer(
        "recomputed", model_fields=fields, gradient_checkpointing=True, gradient_checkpointing_every=every, **SHORT
    )
    counts = [0] * 4
    for number, block in enumerate(trainer.model.transformer.layers):
        # Operations are counted on a copy without values, hooks and all.
        block.feed_forward.register_forward_pre_hook(
            lambda module, args, number=number: counts.__setitem__(number, counts[number] + (not args[0].is_meta))
        )
    trainer.train()
    assert counts == [3 * each for each in calls]
    assert all(torch.equal(a, b) for a, b in zip(weights(plain), weights(trainer), strict=True))


def test_choices_that_cannot_work_are_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="set gradient_checkpointing=true"):
        make_trainer(gradient_checkpointing_every=2)
    with pytest.raises(ValueError, match="must be at least 1"):
        make_trainer(gradient_checkpointing=True, gradient_checkpointing_every=0)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="here is no GPU"):
            make_trainer(gradient_checkpointing=True, offload_activations=True)


def test_adamw_in_8_bits_learns_and_resumes_exactly(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    # Weights of fewer than 4096 values keep states of 32 bits.
    options = {"optimizer": "adamw_8bit", "model_fields": {"hidden_size": 64}, "eval_strategy": "no", "save_steps": 4}
    straight = make_trainer("straight", **options)
    straight.train()
    states = straight.optimizer.optimizer.state.values()
    assert torch.uint8 in {state["state1"].dtype for state in states}
    full = make_trainer("full", **{**options, "optimizer": "adamw"}, save_strategy="no")
    full.train()
    losses = [[entry["loss"] for entry in run.state.log_history if "loss" in entry] for run in (straight, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)

    resumed = make_trainer("straight", **options)
    resumed.train(resume_from_checkpoint=str(tmp_path / "straight" / "checkpoint-4"))
    assert all(torch.equal(a, b) for a, b in zip(weights(straight), weights(resumed), strict=True))


def test_a_missing_library_is_named_with_its_extra(make_trainer: MakeTrainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ImportError, match=r"heygen_hf\[quantization\]"):
        make_trainer(optimizer="adamw_8bit")


def test_trainer_builds_what_its_own_argument_names(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(optimizer="trainer", optim="adafactor", **SHORT)
    trainer.train()
    assert type(trainer.optimizer.optimizer).__name__ == "Adafactor"
