"""Arguments of `VideoGenerationTrainer`."""

from dataclasses import dataclass, field

from heygen_hf.training.base_arguments import BaseTrainingArguments


@dataclass
class VideoGenerationTrainingArguments(BaseTrainingArguments):
    """[`BaseTrainingArguments`] with what training a video generator adds.

    Defaults that differ from them: `ema_decay` 0.999, `label_names` none.

    Args:
        eval_timesteps: the fixed timesteps of the validation loss.
        tokens_per_batch: video tokens of one process's batch, in place of `per_device_train_batch_size`: clips of a
            larger size then make smaller batches. For data with buckets.
        max_eval_clips: at most so many validation clips per evaluation; None for all.
        sample_steps: write sample videos every so many optimiser steps; 0 for never.
    """

    label_names: list[str] | None = field(default_factory=list)
    ema_decay: float | None = 0.999

    eval_timesteps: list[float] = field(default_factory=lambda: [0.1, 0.3, 0.5, 0.7, 0.9])
    tokens_per_batch: int | None = None
    max_eval_clips: int | None = 256
    sample_steps: int = 0

    def __post_init__(self) -> None:
        for timestep in self.eval_timesteps:
            if not 0 < timestep <= 1:
                raise ValueError(f"eval_timesteps holds {timestep}; timesteps above 0 and up to 1 are expected.")
        super().__post_init__()
