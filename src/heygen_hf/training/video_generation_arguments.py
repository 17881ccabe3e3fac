"""Arguments of `VideoGenerationTrainer`."""

from dataclasses import dataclass, field

from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.noise.given_frames import GivenFramesSampler


@dataclass
class VideoGenerationTrainingArguments(BaseTrainingArguments):
    """[`BaseTrainingArguments`] with what training a video generator adds.

    Defaults that differ from them: `ema_decay` 0.999, `label_names` none.

    Args:
        eval_timesteps: the fixed timesteps of the validation loss.
        tokens_per_batch: video tokens of one process's batch, in place of `per_device_train_batch_size`: clips of a
            larger size then make smaller batches. For data with buckets.
        max_eval_clips: at most so many validation clips per evaluation; None for all.
        given_frames: pattern → share of the samples that are learned with some of their frames given: "none", "first",
            "prefix", "first_and_last", "random", "region", "each" (see `GivenFramesSampler`), as
            `{none: 0.5, first: 0.25, prefix: 0.25}`. None gives nothing. Validation adds `eval_loss_given_<pattern>`.
        given_prefix_frames: the longest prefix, in frames (latent frames with an autoencoder); None for half the clip.
        given_noise: given frames get noise of a standard deviation up to this, for robustness against frames that the
            model made itself (long videos).
        sample_steps: write sample videos every so many optimiser steps; 0 for never.
    """

    label_names: list[str] | None = field(default_factory=list)
    ema_decay: float | None = 0.999

    eval_timesteps: list[float] = field(default_factory=lambda: [0.1, 0.3, 0.5, 0.7, 0.9])
    tokens_per_batch: int | None = None
    max_eval_clips: int | None = 256
    given_frames: dict[str, float] | None = None
    given_prefix_frames: int | None = None
    given_noise: float = 0.0
    sample_steps: int = 0

    def __post_init__(self) -> None:
        self.build_given_frames()
        for timestep in self.eval_timesteps:
            if not 0 < timestep <= 1:
                raise ValueError(f"eval_timesteps holds {timestep}; timesteps above 0 and up to 1 are expected.")
        super().__post_init__()

    def build_given_frames(self) -> GivenFramesSampler | None:
        """What draws the given frames; None where there are none.

        Raises:
            ValueError: an unknown pattern, shares that do not sum to 1, or their options without any.
        """
        if self.given_frames is None:
            if self.given_prefix_frames is not None or self.given_noise:
                raise ValueError(
                    "given_prefix_frames and given_noise say nothing without given_frames; set its shares."
                )
            return None
        sampler = GivenFramesSampler(
            self.given_frames, max_prefix_frames=self.given_prefix_frames, max_noise_std=self.given_noise
        )
        return sampler if sampler.patterns else None
