"""What must not change a training: bit for bit where the arithmetic is the same, else within rounding.

Two processes, sharing the data or the weights: `parallel/test_two_processes.py`. Exact resume: `checkpoints/`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainerCallback

from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForSequenceClassification
from heygen_hf.training import (
    JsonLinesLog,
    SupervisedTrainer,
    SupervisedTrainingArguments,
    VideoGenerationTrainer,
)

MakeTrainer = Callable[..., VideoGenerationTrainer]
# Of weights of size 1 after 8 steps: float32 sums in another order, enlarged by AdamW's division by their size.
ROUNDING = 2e-5
# Muon orthogonalises in bfloat16, where the last bit is 4e-3 of a step of 2e-3 × 0.2 × √128.
MUON_ROUNDING = 2e-4


class Result(NamedTuple):
    weights: dict[str, torch.Tensor]
    averages: dict[str, torch.Tensor]
    losses: list[float]


def result_of(trainer: Trainer) -> Result:
    """Train, and what came of it."""
    trainer.train()
    weights = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return Result(weights, {} if trainer.ema is None else trainer.ema.state_dict(), losses)


def assert_same(one: Result, other: Result) -> None:
    """Bit for bit."""
    for name, weight in one.weights.items():
        assert torch.equal(weight, other.weights[name]), name
    for name in one.averages.keys() & other.averages.keys():
        assert torch.equal(one.averages[name], other.averages[name]), name
    if len(one.losses) == len(other.losses):
        assert one.losses == other.losses


def assert_close(one: Result, other: Result, *, tolerance: float) -> None:
    for name, weight in one.weights.items():
        torch.testing.assert_close(weight, other.weights[name], atol=tolerance, rtol=0, msg=name)
    torch.testing.assert_close(one.losses, other.losses, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def plain() -> dict[str, Result]:
    """Results of the unchanged run by optimiser."""
    return {}


@pytest.fixture
def plain_run(make_trainer: MakeTrainer, plain: dict[str, Result]) -> Callable[..., Result]:
    """The conftest's run with nothing beside the steps."""

    def get(optimizer: str = "adamw") -> Result:
        if optimizer not in plain:
            quiet = {"eval_strategy": "no", "save_strategy": "no", "ema_decay": 0.9}
            plain[optimizer] = result_of(make_trainer("plain", optimizer=optimizer, **quiet))
        return plain[optimizer]

    return get


def draw_global_randomness(step: int) -> None:
    torch.rand(3)


class SpendRandomness(TrainerCallback):
    """A callback of a user's that draws."""

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        torch.rand(7)


EXACT = {
    "logging seldom": {"logging_steps": 3},
    "evaluation at every step": {"eval_steps": 1},
    "evaluation in other batches": {"eval_steps": 2, "per_device_eval_batch_size": 7},
    "checkpoints at every step": {"save_steps": 1},
    "samples at every step": {"sample_steps": 1, "write_samples": draw_global_randomness},
    "a callback that draws": {"callbacks": [SpendRandomness()]},
    "two workers": {"dataloader_num_workers": 2},
    "no average": {"ema_decay": None},
    "activation checkpointing": {"gradient_checkpointing": True},
    "histograms": {"histogram_steps": 2},
    "watched layers": {"find_nonfinite": True},
}


@pytest.mark.parametrize("options", EXACT.values(), ids=EXACT)
def test_what_only_watches_changes_no_bit(
    make_trainer: MakeTrainer, plain_run: Callable[..., Result], options: dict[str, Any]
) -> None:
    trainer = make_trainer("changed", **({"eval_strategy": "no", "save_strategy": "no"} | _strategies(options)))
    assert_same(plain_run(), result_of(trainer))


def _strategies(options: dict[str, Any]) -> dict[str, Any]:
    strategies = {f"{what}_strategy": "steps" for what in ("eval", "save") if f"{what}_steps" in options}
    return {"ema_decay": 0.9, **strategies, **options}


def test_a_log_in_a_file_changes_no_bit(
    make_trainer: MakeTrainer, plain_run: Callable[..., Result], tmp_path: Path
) -> None:
    assert_same(plain_run(), result_of(make_trainer(callbacks=[JsonLinesLog(tmp_path / "log.jsonl")], ema_decay=0.9)))


@pytest.mark.parametrize(("optimizer", "tolerance"), [("adamw", ROUNDING), ("muon", MUON_ROUNDING)])
@pytest.mark.parametrize("steps", [2, 4])
def test_accumulation_is_a_larger_batch(
    make_trainer: MakeTrainer, plain_run: Callable[..., Result], optimizer: str, tolerance: float, steps: int
) -> None:
    shares = {"per_device_train_batch_size": 4 // steps, "gradient_accumulation_steps": steps}
    parts = result_of(make_trainer("parts", optimizer=optimizer, eval_strategy="no", save_strategy="no", **shares))
    assert_close(plain_run(optimizer), parts, tolerance=tolerance)


@pytest.mark.parametrize("implementation", ["eager", "matmul"])
def test_attention_is_the_same_however_it_is_computed(
    make_trainer: MakeTrainer, plain_run: Callable[..., Result], implementation: str
) -> None:
    trainer = make_trainer("other", eval_strategy="no", save_strategy="no")
    assert trainer.model.config._attn_implementation == "sdpa"
    trainer.model.set_attn_implementation(implementation)
    assert_close(plain_run(), result_of(trainer), tolerance=ROUNDING)


def test_the_average_is_that_of_a_plain_reference(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(ema_decay=0.6, eval_steps=3)
    reference = PlainAverage(trainer.model, decay=0.6)
    trainer.add_callback(reference)
    averages = result_of(trainer).averages
    assert reference.updates == 8
    for name, average in reference.averages.items():
        torch.testing.assert_close(averages[name], average, atol=1e-6, rtol=1e-5, msg=name)


class PlainAverage(TrainerCallback):
    """The average as a loop over the weights, written down once more."""

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        self.model, self.decay, self.updates = model, decay, 0
        self.averages = {name: weight.detach().clone() for name, weight in model.named_parameters()}

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, weight in self.model.named_parameters():
            self.averages[name] = decay * self.averages[name] + (1 - decay) * weight.detach()


# Models with labels. Dropout draws from the global generators, so whatever else draws from them would show.


class Sequences(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 18

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(1, 20, (6,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": ids, "labels": (ids[0] > 10).long()}


def supervised(folder: Path, *, dropout: float = 0.2, **overrides: Any) -> SupervisedTrainer:
    torch.manual_seed(0)
    sizes = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    values = {
        "output_dir": str(folder),
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "warmup_steps": 0,
        "precision": "fp32",
        "optimizer": "adamw",
        "compile_blocks": "never",
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return SupervisedTrainer(
        TextTransformerForSequenceClassification(
            TextTransformerConfig(**sizes, is_causal=False, hidden_dropout=dropout)
        ),
        SupervisedTrainingArguments(**(values | overrides)),
        train_dataset=Sequences(),
        eval_dataset=Sequences(),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"logging_steps": 3},
        {"eval_strategy": "steps", "eval_steps": 1},
        {"dataloader_num_workers": 2},
        {"gradient_checkpointing": True},
    ],
    ids=lambda options: next(iter(options)),
)
def test_what_only_watches_changes_no_bit_under_dropout(tmp_path: Path, options: dict[str, Any]) -> None:
    assert_same(result_of(supervised(tmp_path / "plain")), result_of(supervised(tmp_path / "changed", **options)))


def test_accumulation_is_a_larger_batch_of_labels(tmp_path: Path) -> None:
    whole = supervised(tmp_path / "whole", dropout=0.0)
    parts = supervised(tmp_path / "parts", dropout=0.0, per_device_train_batch_size=1, gradient_accumulation_steps=4)
    assert_close(result_of(whole), result_of(parts), tolerance=ROUNDING)
