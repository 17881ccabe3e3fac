"""The trainer of models with labels: learning, exact resume, averages, and evaluation with its own collator."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from heygen_hf.models.text_transformer import (
    TextTransformerConfig,
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
)
from heygen_hf.tasks.run_facts import RunMeter, training_facts
from heygen_hf.training import JsonLinesLog, SupervisedTrainer, SupervisedTrainingArguments


class Sequences(torch.utils.data.Dataset):
    """30 sequences of six tokens; the label is whether the first token is a large one."""

    def __len__(self) -> int:
        return 30

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(1, 20, (6,), generator=torch.Generator().manual_seed(index))
        return {"input_ids": ids, "labels": (ids[0] > 10).long()}


def collate(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    return {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}


def build_trainer(folder: Path, **overrides: object) -> SupervisedTrainer:
    torch.manual_seed(0)
    options = {n: overrides.pop(n) for n in ("callbacks", "eval_collator", "compute_metrics") if n in overrides}
    config = TextTransformerConfig(
        vocab_size=20, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, is_causal=False, hidden_dropout=0.2
    )
    config.num_labels = 2
    values = {
        "output_dir": str(folder),
        "max_steps": 8,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_steps": 2,
        "eval_steps": 8,
        "warmup_steps": 0,
        "precision": "fp32",
        "disable_tqdm": True,
    }
    return SupervisedTrainer(
        TextTransformerForSequenceClassification(config),
        SupervisedTrainingArguments(**(values | overrides)),
        train_dataset=Sequences(),
        eval_dataset=Sequences(),
        data_collator=collate,
        **options,
    )


def weights_of(trainer: SupervisedTrainer) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in trainer.model.parameters()])


def test_it_learns_and_says_how_fast(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    trainer = build_trainer(
        tmp_path / "run", max_steps=80, muon_learning_rate=2e-2, save_steps=100, callbacks=[JsonLinesLog(log)]
    )
    before = weights_of(trainer)
    trainer.train()
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [entry["loss"] for entry in entries if "loss" in entry]
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])
    assert not torch.equal(before, weights_of(trainer))
    first = next(entry for entry in entries if "loss" in entry)
    assert first["samples_per_second"] > 0
    assert first["tokens_per_second"] == pytest.approx(6 * first["samples_per_second"], rel=0.02)


def test_a_resumed_run_ends_where_a_straight_one_does(tmp_path: Path) -> None:
    straight = build_trainer(tmp_path / "straight", ema_decay=0.9)
    straight.train()
    build_trainer(tmp_path / "resumed", ema_decay=0.9, callbacks=[_StopAtStepFour()]).train()
    resumed = build_trainer(tmp_path / "resumed", ema_decay=0.9)
    resumed.train(resume_from_checkpoint=str(tmp_path / "resumed" / "checkpoint-4"))
    assert resumed.initial_step == 4
    assert torch.equal(weights_of(straight), weights_of(resumed))
    with straight.ema_weights(), resumed.ema_weights():
        assert torch.equal(weights_of(straight), weights_of(resumed))


class _StopAtStepFour(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.global_step == 4


def test_every_sample_once_an_epoch_and_another_order_in_the_next(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path)
    loader = trainer.get_train_dataloader()
    epochs = []
    for epoch in range(2):
        loader.set_epoch(epoch)
        epochs.append(torch.cat([batch["input_ids"] for batch in loader]).tolist())
    everything = sorted(Sequences()[i]["input_ids"].tolist() for i in range(30))
    for rows in epochs:
        assert len(rows) >= 28
        assert all(row in everything for row in rows)
    assert epochs[0] != epochs[1]


def test_evaluation_collates_its_own_way_and_with_averaged_weights(tmp_path: Path) -> None:
    seen = []

    def collate_for_evaluation(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        seen.append(len(items))
        return collate(items)

    trainer = build_trainer(
        tmp_path,
        learning_rate=3e-2,
        ema_decay=0.99,
        eval_collator=collate_for_evaluation,
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
    )
    trainer.train()
    assert sum(seen) == 30
    assert trainer.data_collator is collate
    averaged = trainer.evaluate()
    assert 0 <= averaged["eval_accuracy"] <= 1
    trainer.ema = None
    assert trainer.evaluate()["eval_loss"] != averaged["eval_loss"]


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match=r"lower training\.learning_rate"):
        trainer.train()


@pytest.mark.parametrize("accumulation", [1, 2])
def test_smoothed_labels_of_a_language_model_are_those_of_the_next_token(tmp_path: Path, accumulation: int) -> None:
    torch.manual_seed(0)
    model = TextTransformerForCausalLM(
        TextTransformerConfig(vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    )
    ids = torch.stack([Sequences()[i]["input_ids"] for i in range(4)])
    logits = model(ids).logits[:, :-1]
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), label_smoothing=0.2)
    arguments = SupervisedTrainingArguments(
        output_dir=str(tmp_path),
        eval_strategy="no",
        label_smoothing_factor=0.2,
        gradient_accumulation_steps=accumulation,
        precision="fp32",
    )
    trainer = SupervisedTrainer(model, arguments, train_dataset=Sequences(), data_collator=collate)
    batch = {"input_ids": ids, "labels": ids}
    loss = trainer.compute_loss(model.train(), dict(batch), num_items_in_batch=torch.tensor(20))
    torch.testing.assert_close(loss, expected)
    plain = trainer.compute_loss(model.eval(), dict(batch))
    torch.testing.assert_close(plain, torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten()))


def test_the_best_checkpoint_comes_back_with_its_average(tmp_path: Path) -> None:
    calls = iter(range(9))
    trainer = build_trainer(
        tmp_path,
        ema_decay=0.5,
        max_steps=6,
        save_steps=2,
        eval_steps=2,
        save_total_limit=None,
        load_best_model_at_end=True,
        metric_for_best_model="score",
        greater_is_better=False,
        # grows with every evaluation, so the first is the best
        compute_metrics=lambda _: {"score": float(next(calls))},
    )
    trainer.train()
    assert trainer.state.best_global_step == 2
    saved = load_file(tmp_path / "checkpoint-2" / "ema.safetensors")
    with trainer.ema_weights():
        held = dict(trainer.model.named_parameters())
        assert all(torch.equal(held[name], value) for name, value in saved.items())
    facts = training_facts(trainer, data_name="x", reports={}, spent=RunMeter().stop(), command=None)
    assert facts["validation_loss"] == next(e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e)


def test_smoothing_refuses_what_it_cannot_smooth(tmp_path: Path) -> None:
    trainer = build_trainer(tmp_path, label_smoothing_factor=0.1)
    batch = collate([Sequences()[i] for i in range(2)])
    with pytest.raises(ValueError, match="set it to 0"):
        trainer.compute_loss(trainer.model.train(), {"input_ids": batch["input_ids"]})


@pytest.mark.slow
def test_two_processes_smooth_as_one_does(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SMOOTHING_PROGRAM)
    logs = []
    for processes in (1, 2):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        command = [*launcher, str(tmp_path / "program.py"), str(tmp_path / str(processes)), str(8 // processes)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
        assert result.returncode == 0, result.stderr[-3000:]
        logs.append(json.loads((tmp_path / str(processes) / "log.jsonl").read_text().splitlines()[0]))
    assert logs[1]["loss"] == pytest.approx(logs[0]["loss"], rel=1e-4)
    assert logs[1]["grad_norm"] == pytest.approx(logs[0]["grad_norm"], rel=1e-3)


SMOOTHING_PROGRAM = """
import sys
import torch
from heygen_hf.models.text_transformer import TextTransformerConfig, TextTransformerForCausalLM
from heygen_hf.training import JsonLinesLog, SupervisedTrainer, SupervisedTrainingArguments

folder, batch_size = sys.argv[1:]
torch.manual_seed(0)
config = TextTransformerConfig(vocab_size=20, hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
rows = torch.randint(1, 20, (16, 6), generator=torch.Generator().manual_seed(0))
rows = [{"input_ids": row, "labels": row} for row in rows]
arguments = SupervisedTrainingArguments(
    output_dir=folder, max_steps=1, logging_steps=1, per_device_train_batch_size=int(batch_size), eval_strategy="no",
    save_strategy="no", label_smoothing_factor=0.1, precision="fp32", optimizer="adamw", disable_tqdm=True,
)
collate = lambda items: {name: torch.stack([item[name] for item in items]) for name in items[0]}
trainer = SupervisedTrainer(
    TextTransformerForCausalLM(config), arguments, train_dataset=rows, data_collator=collate,
    callbacks=[JsonLinesLog(folder + "/log.jsonl")],
)
trainer.train()
"""
