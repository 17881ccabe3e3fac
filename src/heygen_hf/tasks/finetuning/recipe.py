"""The sections of a fine-tuning recipe."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

from huggingface_hub.dataclasses import strict

from heygen_hf.models.pretrained_generators import PretrainedGeneratorConfig
from heygen_hf.tasks.clip_data import ProcessorSection
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.clips.section import FinetuningDataSection
from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.recipe_defaults import declared_defaults
from heygen_hf.training import FinetuningTrainingArguments


@strict
class ModelSection(PretrainedGeneratorConfig):
    """What is fine-tuned.

    Args:
        pretrained: folder or Hub name of a pipeline of diffusers, of a family in `FAMILIES`.
        revision: of the Hub name: a branch, a tag or a commit.
        dtype: of the transformer's own weights. "auto" is float32 where all of them are trained; beside adapters it is
            bfloat16 where the device multiplies it natively, else float32. Adapters are float32 in any case.
        encoder_dtype: of autoencoder and text encoders; "auto" is as they were saved.
        quantization: of the transformer's own weights, beside adapters. "nf4": 4 bits (QLoRA, Dettmers et al. 2023,
            arXiv:2305.14314; extra `quantization`). "fp8": kept as 8-bit floating point, computed in `dtype`.
        condition_dropout: share of training samples with an empty caption.
        timestep_shift: how far training timesteps lean towards noise; by default as the pipeline's own at sampling.
        tiled_encoding: encode and decode clips in tiles, for large ones.
    """

    model_type = "heygen_finetuning_recipe"

    pretrained: str | None = None
    revision: str | None = None
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"  # type: ignore[assignment]
    encoder_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantization: Literal["nf4", "fp8"] | None = None
    timestep_shift: float | int | None = None
    tiled_encoding: bool = False


@dataclass(kw_only=True)
class GenerationSection:
    """How samples are made, while training and for the card.

    Args:
        num_inference_steps, guidance_scale: as of the family's pipeline.
        frame_rate: of the clips that are made, frames in a second; LTX is told of it in training too.
        batch_size: videos sampled at once.
        sample_prompts: by default validation captions.
        num_samples: how many of those.
    """

    num_inference_steps: int = 30
    guidance_scale: float = 5.0
    frame_rate: float = 16.0
    batch_size: int = 1
    sample_prompts: list[str] | None = None
    num_samples: int = 2

    def __post_init__(self) -> None:
        for name in ("num_inference_steps", "frame_rate", "batch_size", "num_samples"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.sample_prompts is not None and not self.sample_prompts:
            raise ValueError("sample_prompts is empty; name a caption or leave the key out")


# What the pipeline says and not the recipe.
_LEFT_OPEN = {"given_frame_patterns", "base", "base_revision", "family", "num_channels", "patch_size"}
_LEFT_OPEN |= {"temporal_compression", "spatial_compression"}


def with_defaults(recipe: Recipe) -> Recipe:
    """The recipe with the defaults of its `model` and `training` sections written out."""
    model = {**declared_defaults(ModelSection, left_open=_LEFT_OPEN), **recipe.model}
    training = {**declared_defaults(FinetuningTrainingArguments), **recipe.training}
    return dataclasses.replace(recipe, model=model, training=training)


SECTIONS: dict[str, Any] = {
    "model": ModelSection,
    "data": FinetuningDataSection,
    "processor": ProcessorSection,
    "training": FinetuningTrainingArguments,
    "generation": GenerationSection,
    "peft": AdapterSection | None,
    "hub": HubSection,
}
