"""The sections of a video autoencoder recipe."""

from dataclasses import dataclass, field
from typing import Any

from heygen_hf.tasks.clip_data import DataSection, ProcessorSection
from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.training import VideoAutoencoderTrainingArguments


@dataclass(kw_only=True)
class ModelSection:
    """The autoencoder: fresh, or one to start from.

    Args:
        class_name: an `AutoencoderKL…` of diffusers: AutoencoderKLWan, AutoencoderKLLTXVideo, AutoencoderKLCogVideoX,
            or AutoencoderKL, which takes each frame as an image.
        options: of its constructor; what is left out has the class's default.
        pretrained: a folder or Hub repository (or a pipeline with one) to start from, in place of both.
        initial_std: spread of a fresh autoencoder's posterior; a random one's is about 1, noise in which the first
            pictures drown. None leaves it.
    """

    class_name: str = "AutoencoderKLWan"
    options: dict[str, Any] = field(default_factory=dict)
    pretrained: str | None = None
    initial_std: float | None = 0.05

    def __post_init__(self) -> None:
        if self.pretrained is not None and self.options:
            raise ValueError(
                f"options describe a fresh autoencoder, and pretrained={self.pretrained} is one: leave out "
                f"{', '.join(self.options)}"
            )
        if self.initial_std is not None and self.initial_std <= 0:
            raise ValueError(f"initial_std must be above 0, or null, got {self.initial_std}")


@dataclass(kw_only=True)
class EvaluationSection:
    """How the trained autoencoder is measured, on `data.test`.

    Args:
        batch_size: clips at once.
        max_clips: at most so many test clips, evenly spread; None for all.
        max_statistics_clips: mean and spread of the latents are measured on at most so many training clips.
        num_samples: test clips shown in `samples/`.
        interpolation_steps: clips between two that `samples/interpolation.mp4` shows; 0 makes none.
    """

    batch_size: int = 32
    max_clips: int | None = None
    max_statistics_clips: int = 2048
    num_samples: int = 6
    interpolation_steps: int = 5

    def __post_init__(self) -> None:
        for name in ("batch_size", "max_statistics_clips", "num_samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_clips is not None and self.max_clips < 1:
            raise ValueError(f"max_clips must be at least 1, or null for all, got {self.max_clips}")
        if self.interpolation_steps < 0:
            raise ValueError(f"interpolation_steps must be at least 0, got {self.interpolation_steps}")


SECTIONS: dict[str, Any] = {
    "model": ModelSection,
    "data": DataSection,
    "processor": ProcessorSection,
    "training": VideoAutoencoderTrainingArguments,
    "evaluation": EvaluationSection,
    "hub": HubSection,
}


def check_options(recipe: Recipe) -> None:
    """Refuse what can be told from the recipe alone.

    Raises:
        ValueError: clips of several sizes, or streamed ones.
    """
    if recipe.data.buckets is not None or recipe.data.bucket_resolutions is not None:
        raise ValueError("an autoencoder is trained on clips of one size, the processor's; leave data.buckets out.")
    if recipe.data.streaming:
        raise ValueError("data.streaming=true leaves no clips to measure on; set it to false.")
