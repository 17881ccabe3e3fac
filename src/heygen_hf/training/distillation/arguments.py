"""Arguments of `DistillationTrainer`."""

from dataclasses import dataclass

from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments


@dataclass
class DistillationTrainingArguments(VideoGenerationTrainingArguments):
    """[`VideoGenerationTrainingArguments`] for a student that samples in few steps.

    Defaults that differ from them: `max_steps` 200, `per_device_train_batch_size` 16, `muon_learning_rate` 1e-3,
    `learning_rate` 5e-4, `warmup_steps` 20, `linear_decay_share` 0.7, `weight_decay` 0.0, `ema_decay` 0.98,
    `max_eval_clips` 64. `eval_timesteps` are the student's own.

    Args:
        to_steps: of the student.
        teacher_steps: of the teacher, a multiple of `to_steps`.
        teacher_guidance_scale: of the teacher; its guidance is learned with everything else, so that the student is
            sampled without.
    """

    max_steps: int = 200
    per_device_train_batch_size: int = 16
    learning_rate: float = 5e-4
    muon_learning_rate: float = 1e-3
    warmup_steps: float = 20
    linear_decay_share: float | None = 0.7
    weight_decay: float = 0.0
    ema_decay: float | None = 0.98
    max_eval_clips: int | None = 64

    to_steps: int = 4
    teacher_steps: int = 20
    teacher_guidance_scale: float | dict[str, float] = 1.0

    def __post_init__(self) -> None:
        if self.to_steps < 1:
            raise ValueError(f"to_steps={self.to_steps} must be at least 1.")
        if self.teacher_steps % self.to_steps or self.teacher_steps <= self.to_steps:
            raise ValueError(
                f"the teacher's {self.teacher_steps} steps must be a multiple of the student's {self.to_steps}, and "
                "more: every step of the student replaces as many of the teacher's."
            )
        if (self.given_frames or {}).get("each"):
            raise ValueError(
                'given_frames has the pattern "each", a timestep for every row, and a student knows the timesteps of '
                "its steps alone: leave it out, the other shares summing to 1."
            )
        super().__post_init__()
