import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.monitoring.histograms import blocks_of, histogram

MakeTrainer = Callable[..., VideoGenerationTrainer]


def read(trainer: VideoGenerationTrainer) -> list[dict]:
    return [json.loads(line) for line in (trainer.args.run_folder / "histograms.jsonl").read_text().splitlines()]


def test_a_histogram_holds_every_value() -> None:
    values = torch.tensor([-1.0, 0.0, 0.0, 3.0, float("nan")])
    found = histogram(values)
    assert (found["mean"], found["max"]) == (0.5, 3.0)
    assert found["std"] == pytest.approx(1.5)
    assert sum(found["counts"]) == 4
    assert len(found["edges"]) == len(found["counts"]) + 1
    assert (found["edges"][0], found["edges"][-1]) == (-1.0, 3.0)
    assert sum(histogram(torch.zeros(5))["counts"]) == 5


def test_blocks_are_the_outermost_repeated_ones() -> None:
    inner = nn.Sequential(nn.ModuleList([nn.Linear(1, 1)]))
    model = nn.ModuleDict({"down": nn.ModuleList([inner, nn.Linear(2, 2)]), "head": nn.Linear(1, 1)})
    assert list(blocks_of(model)) == ["down.0", "down.1"]
    assert list(blocks_of(nn.Sequential(nn.Linear(1, 1), nn.Tanh()))) == ["0", "1"]


@pytest.mark.parametrize("activation_checkpointing", [False, True])
def test_activations_and_gradients_of_each_block(make_trainer: MakeTrainer, activation_checkpointing: bool) -> None:
    trainer = make_trainer(
        histogram_steps=3,
        activation_checkpointing=activation_checkpointing,
        gradient_accumulation_steps=2,
        per_device_train_batch_size=2,
    )
    seen = []
    block = trainer.model.transformer.layers[1]
    block.register_forward_hook(
        lambda _module, _inputs, output: seen.append((trainer.state.global_step, block.training, output.abs().max()))
    )
    trainer.train()
    lines = read(trainer)
    kinds = [(line["step"], line["kind"], line["block"]) for line in lines]
    names = ["transformer.layers.0", "transformer.layers.1"]
    assert kinds == [(step, kind, name) for step in (3, 6) for kind in ("activation", "gradient") for name in names]
    first = next(largest for step, training, largest in seen if step == 2 and training)
    assert lines[1]["max"] == pytest.approx(first.item(), rel=1e-4)
    assert all(line["std"] > 0 for line in lines)


def test_compiled_blocks_are_read_without_a_hook(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(histogram_steps=4, max_steps=4)
    usual = {}
    for block in trainer.model.transformer.layers:
        usual[block] = block._compiled_call_impl = lambda *args, block=block, **kwargs: block._call_impl(
            *args, **kwargs
        )
    trainer.train()
    assert [line["kind"] for line in read(trainer)] == ["activation"] * 2 + ["gradient"] * 2
    for block, compiled in usual.items():
        assert block._compiled_call_impl is compiled


def test_a_resumed_run_writes_each_step_once(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(histogram_steps=2)
    trainer.train()
    straight = read(trainer)
    resumed = make_trainer(histogram_steps=2)
    resumed.train(resume_from_checkpoint=str(Path(trainer.args.output_dir) / "checkpoint-6"))
    assert read(resumed) == straight


def test_a_negative_number_of_steps_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(ValueError, match="histogram_steps=-1 must be at least 0"):
        make_trainer(histogram_steps=-1)
