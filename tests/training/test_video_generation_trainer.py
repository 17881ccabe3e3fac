import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.training import JsonLinesLog, VideoGenerationTrainer, VideoGenerationTrainingArguments

MakeTrainer = Callable[..., VideoGenerationTrainer]


def logged(trainer: VideoGenerationTrainer, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def largest_difference(one: VideoGenerationTrainer, other: VideoGenerationTrainer) -> float:
    pairs = zip(one.model.parameters(), other.model.parameters(), strict=True)
    return max((weight - same).abs().max().item() for weight, same in pairs)


def test_learns_and_changes_every_part(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=30, learning_rate=1e-2, optimizer="muon", save_strategy="no", eval_strategy="no")
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    first = trainer.evaluate()["eval_loss"]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.5 * first
    same = [name for name, weight in trainer.model.named_parameters() if torch.equal(weight, before[name])]
    assert same == []


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_resume_within_the_second_epoch_is_exact(make_trainer: MakeTrainer, optimizer: str) -> None:
    straight = make_trainer(optimizer=optimizer)
    straight.train()
    checkpoint = Path(straight.args.output_dir) / "checkpoint-6"
    resumed = make_trainer(optimizer=optimizer)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert largest_difference(straight, resumed) == 0
    for name, average in straight.ema.state_dict().items():
        assert torch.equal(average, resumed.ema.state_dict()[name])
    assert logged(straight, "loss") == logged(resumed, "loss")
    assert straight.ema.num_updates == resumed.ema.num_updates == 8


def test_validation_loss_is_fixed_and_reported_per_timestep(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(eval_timesteps=[0.25, 0.75])
    first, again = trainer.evaluate(), trainer.evaluate()
    assert first["eval_loss"] == again["eval_loss"]
    assert first["eval_loss"] == pytest.approx((first["eval_loss_at_0.25"] + first["eval_loss_at_0.75"]) / 2)
    larger_batch = make_trainer("other", eval_timesteps=[0.25, 0.75], per_device_eval_batch_size=8).evaluate()
    assert larger_batch["eval_loss"] == pytest.approx(first["eval_loss"], rel=1e-5)


def test_samples_and_evaluation_use_the_average(make_trainer: MakeTrainer) -> None:
    seen: dict[int, torch.Tensor] = {}
    trainer = make_trainer(
        sample_steps=4,
        write_samples=lambda step: seen.setdefault(step, trainer.model.transformer.patch_proj.weight.detach().clone()),
    )
    trainer.train()
    assert list(seen) == [4, 8]
    assert torch.equal(seen[8], trainer.ema.state_dict()["transformer.patch_proj.weight"])
    assert not torch.equal(seen[8], trainer.model.transformer.patch_proj.weight)


def test_logs_say_where_the_time_goes(make_trainer: MakeTrainer, tmp_path: Path) -> None:
    trainer = make_trainer(callbacks=[JsonLinesLog(tmp_path / "log.jsonl")])
    trainer.train()
    entries = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [entry for entry in entries if "loss" in entry]
    assert [entry["step"] for entry in losses] == [1, 2, 3, 4, 5, 6, 7, 8]
    for entry in losses:
        assert entry["samples_per_second"] > 0
        # 2 × 2 × 2 video tokens and 3 caption tokens a clip.
        assert entry["tokens_per_second"] == pytest.approx(11 * entry["samples_per_second"], rel=0.01)
        assert 0 <= entry["data_wait_share"] <= 1


def test_checkpoints_are_complete_and_hold_no_pickled_arguments(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    root = Path(trainer.args.output_dir)
    assert sorted(path.name for path in root.iterdir()) == ["checkpoint-6", "checkpoint-8"]
    names = {path.name for path in (root / "checkpoint-8").iterdir()}
    assert {"model.safetensors", "ema.safetensors", "optimizer.pt", "complete.json", "training_args.json"} <= names
    assert "training_args.bin" not in names
    VideoTransformerForVideoGeneration.from_pretrained(root / "checkpoint-8")


def test_torn_and_foreign_checkpoints_are_refused(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    trainer.train()
    checkpoint = Path(trainer.args.output_dir) / "checkpoint-8"
    (checkpoint / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(ValueError, match=r"cannot resume from checkpoint-8: model\.safetensors has 4 bytes"):
        make_trainer().train(resume_from_checkpoint=str(checkpoint))


def test_a_loss_that_is_not_finite_stops_the_run(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    with torch.no_grad():
        trainer.model.transformer.output_proj.bias.fill_(float("nan"))
    with pytest.raises(ValueError, match="the loss is nan at step 1"):
        trainer.train()


def test_arguments_refuse_what_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="zero steps"):
        VideoGenerationTrainingArguments(output_dir=str(tmp_path), max_steps=0)
    with pytest.raises(ValueError, match=r"eval_timesteps holds 1\.5"):
        VideoGenerationTrainingArguments(output_dir=str(tmp_path), eval_timesteps=[1.5])
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="precision=fp16 needs a GPU"):
            VideoGenerationTrainingArguments(output_dir=str(tmp_path), precision="fp16")


def test_what_a_killed_save_left_does_not_stop_the_next(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer()
    left = Path(trainer.args.output_dir) / ".staging" / "checkpoint-2"
    left.mkdir(parents=True)
    (left / "rng_state_7.pth").write_bytes(b"of another world")
    (left.parent / "checkpoint-1").mkdir()
    trainer.train()
    root = Path(trainer.args.output_dir)
    assert sorted(path.name for path in root.iterdir()) == ["checkpoint-6", "checkpoint-8"]


def test_a_save_that_fails_names_the_remedy_and_keeps_the_last(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(max_steps=2)
    trainer.train()
    root = Path(trainer.args.output_dir)
    # A file where the staging folder goes: what a full disk or a lost permission looks like to the save.
    (root / ".staging").write_text("in the way")
    with pytest.raises(ValueError, match=r"saving checkpoint-2 failed .* the previous checkpoint is untouched"):
        trainer._save_checkpoint(trainer.model, None)
    VideoTransformerForVideoGeneration.from_pretrained(root / "checkpoint-2")


def test_a_mean_flow_learns_and_accumulates_alike(make_trainer: MakeTrainer) -> None:
    whole = make_trainer("whole", model_fields={"objective": "mean_flow"}, max_steps=3)
    parts = make_trainer(
        "parts",
        model_fields={"objective": "mean_flow"},
        max_steps=3,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
    )
    for trainer in (whole, parts):
        trainer.model.set_attn_implementation("matmul")
        trainer.train()
    assert whole.args.compile_blocks == "never"
    assert largest_difference(whole, parts) < 5e-5
    with pytest.raises(ValueError, match="gradient_checkpointing=True recomputes blocks without"):
        make_trainer("recomputed", model_fields={"objective": "mean_flow"}, gradient_checkpointing=True)
