from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.pipelines.schedulers import build_scheduler, model_timesteps, set_timesteps, wanted_prediction
from heygen_hf.training import DistillationTrainer, DistillationTrainingArguments
from heygen_hf.training.distillation.teacher_segments import Teacher

CPU = torch.device("cpu")


def build_model(**overrides: object) -> VideoTransformerForVideoGeneration:
    torch.manual_seed(0)
    values = {
        "vocab_size": 10,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "patch_size": (2, 4, 4),
        "prediction_type": "sample",
        "timestep_embedding_size": 16,
        "timestep_shift": 3.0,
    }
    model = VideoTransformerForVideoGeneration(VideoTransformerConfig(**(values | overrides)))
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.1)
    return model


def sample(transformer, teacher: Teacher, noise: torch.Tensor, conditions: dict, *, steps: int) -> torch.Tensor:
    """Plain sampling without guidance."""
    scheduler, latents = build_scheduler(transformer.config), noise
    wanted = wanted_prediction(scheduler)
    timesteps = set_timesteps(scheduler, steps, device=CPU)
    for i, timestep in enumerate(model_timesteps(scheduler, objective=teacher.objective.name)):
        prediction = transformer(latents, timestep.expand(len(noise)), **conditions).sample
        prediction = teacher.objective.convert(prediction, latents, timestep.expand(len(noise)), to=wanted)
        latents = scheduler.step(prediction, timesteps[i], latents, return_dict=False)[0]
    return latents


@pytest.mark.parametrize("objective", ["flow_matching", "ddpm"])
@pytest.mark.parametrize("prediction_type", ["sample", "velocity"])
def test_a_student_that_predicts_the_segments_ends_where_the_teacher_does(objective: str, prediction_type: str) -> None:
    model = build_model(objective=objective, prediction_type=prediction_type, timestep_shift=1.0)
    teacher = Teacher(model.transformer, to_steps=2, teacher_steps=8, guidance_scale=2.5)
    noise, ids = torch.randn(2, 4, 3, 8, 8), torch.randint(0, 9, (2, 3))
    segments = teacher.segments(noise, {"input_ids": ids})
    whole = Teacher(model.transformer, to_steps=1, teacher_steps=8, guidance_scale=2.5)
    end = whole.segments(noise, {"input_ids": ids}).sample  # the only segment ends in the clip
    scheduler, latents = build_scheduler(model.config), noise
    wanted = wanted_prediction(scheduler)
    timesteps = set_timesteps(scheduler, 2, device=CPU)
    steps = zip(*(part.chunk(2) for part in (segments.sample, segments.noise, segments.timestep)), strict=True)
    for i, (target, its_noise, timestep) in enumerate(steps):
        # noised to its timestep, a pair is where the step starts
        tolerance = {"atol": 2e-3, "rtol": 1e-3}
        torch.testing.assert_close(teacher.objective.add_noise(target, its_noise, timestep), latents, **tolerance)
        truths = {"sample": target, "noise": its_noise}
        prediction = truths.get(wanted)
        if prediction is None:
            prediction = teacher.objective.velocity(target, its_noise, timestep)
        latents = scheduler.step(prediction, timesteps[i], latents, return_dict=False)[0]
    torch.testing.assert_close(latents, end, atol=5e-3, rtol=1e-3)


def test_given_frames_stay_as_they_are() -> None:
    model = build_model()
    teacher = Teacher(model.transformer, to_steps=2, teacher_steps=4, guidance_scale=1.0)
    clips, given = torch.rand(2, 4, 3, 8, 8), torch.zeros(2, 4, dtype=torch.bool)
    given[1, :2] = True
    kept = GivenLatents(clips, given, model.config.patch_size)
    noise, conditions = torch.randn_like(clips), {"input_ids": torch.randint(0, 9, (2, 3))}
    segments = teacher.segments(noise, conditions, kept=kept)
    assert segments.timestep.shape == (4, 4)
    assert (segments.timestep[[1, 3], :2] == 0).all()
    assert (segments.timestep[[0, 2]] > 0).all()
    assert torch.equal(segments.sample[1, :2], clips[1, :2])
    # the frame beside them is made with them in sight
    assert not torch.allclose(segments.sample[1, 2:], teacher.segments(noise, conditions).sample[1, 2:], atol=1e-3)


def test_what_cannot_be_distilled_is_refused() -> None:
    with pytest.raises(ValueError, match="prediction_type='noise' cannot be distilled"):
        Teacher(build_model(prediction_type="noise").transformer, to_steps=1, teacher_steps=2, guidance_scale=1.0)
    for steps in ({"to_steps": 3, "teacher_steps": 20}, {"to_steps": 4, "teacher_steps": 4}):
        with pytest.raises(ValueError, match="must be a multiple of the student's"):
            DistillationTrainingArguments(output_dir="nowhere", use_cpu=True, **steps)
    with pytest.raises(ValueError, match='given_frames has the pattern "each"'):
        DistillationTrainingArguments(output_dir="nowhere", use_cpu=True, given_frames={"none": 0.5, "each": 0.5})
    with pytest.raises(ValueError, match="teacher_guidance_scale names 'audio'; this teacher's conditions are caption"):
        Teacher(build_model().transformer, to_steps=1, teacher_steps=2, guidance_scale={"audio": 2.0})
    model, arguments = build_model(), DistillationTrainingArguments(output_dir="nowhere", use_cpu=True)
    with pytest.raises(ValueError, match="teacher is the student's own transformer"):
        DistillationTrainer(model, arguments, teacher=model.transformer)
    assert all(weight.requires_grad for weight in model.parameters())
    arguments.teacher_guidance_scale = {"image": 2.0}
    with pytest.raises(ValueError, match=r"teacher_guidance_scale has image=2.0, and no frames are given"):
        DistillationTrainer(model, arguments)


class Clips(torch.utils.data.Dataset):
    """Sixteen clips with captions."""

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(index)
        return {
            "pixel_values": torch.rand(4, 3, 8, 8, generator=generator),
            "input_ids": torch.randint(0, 9, (3,), generator=generator),
            "attention_mask": torch.ones(3),
        }


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., DistillationTrainer]:
    def make(name: str = "run", **overrides: object) -> DistillationTrainer:
        values = {
            "max_steps": 25,
            "ema_decay": 0.8,
            "warmup_steps": 2,
            "per_device_train_batch_size": 8,
            "to_steps": 2,
            "teacher_steps": 4,
            "teacher_guidance_scale": 2.0,
            "precision": "fp32",
            "save_strategy": "no",
            "eval_strategy": "no",
            "use_cpu": True,
            "disable_tqdm": True,
            "compile_blocks": "never",
        }
        arguments = DistillationTrainingArguments(output_dir=str(tmp_path / name), **(values | overrides))
        return DistillationTrainer(build_model(), arguments, train_dataset=Clips(), eval_dataset=Clips())

    return make


def test_the_student_comes_nearer_to_its_teacher(make_trainer: Callable[..., DistillationTrainer]) -> None:
    trainer = make_trainer()
    teacher, student = trainer.teacher, trainer.model.transformer
    before = {name: weight.clone() for name, weight in teacher.transformer.named_parameters()}
    noise, conditions = torch.randn(8, 4, 3, 8, 8), {"input_ids": torch.randint(0, 9, (8, 3))}
    whole = Teacher(teacher.transformer, to_steps=1, teacher_steps=4, guidance_scale=2.0)
    target = whole.segments(noise, conditions).sample

    def error() -> float:
        with torch.no_grad(), trainer.ema_weights():
            return float((sample(student, teacher, noise, conditions, steps=2) - target).square().mean())

    first, first_loss = error(), trainer.evaluate()
    assert {f"eval_loss_at_{t:g}" for t in trainer.args.eval_timesteps} <= first_loss.keys()
    assert trainer.args.eval_timesteps == [1.0, 0.75]
    trainer.train()
    assert trainer.evaluate()["eval_loss"] < 0.9 * first_loss["eval_loss"]
    assert error() < 0.9 * first
    for name, weight in teacher.transformer.named_parameters():
        assert torch.equal(weight, before[name])


def test_accumulation_is_a_larger_batch(make_trainer: Callable[..., DistillationTrainer]) -> None:
    options = {"max_steps": 2, "optimizer": "adamw", "given_frames": {"none": 0.5, "first": 0.5}}
    whole = make_trainer("whole", **options)
    parts = make_trainer("parts", per_device_train_batch_size=4, gradient_accumulation_steps=2, **options)
    for trainer in (whole, parts):
        trainer.train()
    pairs = zip(whole.model.parameters(), parts.model.parameters(), strict=True)
    # Float32 sums in another order; AdamW's normalisation enlarges it.
    assert max((weight - same).abs().max().item() for weight, same in pairs) < 5e-5


def test_a_teacher_guided_by_given_frames_is_evaluated_on_whole_clips_too(
    make_trainer: Callable[..., DistillationTrainer],
) -> None:
    trainer = make_trainer(teacher_guidance_scale={"image": 2.0}, given_frames={"first": 1.0})
    assert {"eval_loss", "eval_loss_given_first"} <= trainer.evaluate().keys()
