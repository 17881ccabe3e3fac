"""The sections of a text-to-video recipe."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from huggingface_hub.dataclasses import strict

from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.tasks.clip_data import DataSection, ProcessorSection
from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.recipe_defaults import declared_defaults
from heygen_hf.tasks.text_to_video.encoder_loading import autoencoder_of
from heygen_hf.training import VideoGenerationTrainingArguments


@strict
class ModelSection(VideoTransformerConfig):
    """The fields of `VideoTransformerConfig`, and where to start from.

    `vocab_size`, `pad_token_id` and `sample_*` are filled in from the tokenizer and the processor when left out; with
    an autoencoder `num_channels` and the compressions are its, with a text encoder `caption_hidden_size` is.

    Args:
        pretrained: a folder or Hub repository to start from instead of random weights.
        autoencoder: a folder or Hub repository of an `AutoencoderKL…` of diffusers (or a pipeline with one): the model
            is then trained on its latents, which are cached (`data.cache`). None trains on pixels.
        text_encoder: a folder or Hub repository of a text model of transformers (or a pipeline with one): the model
            then reads captions as its last hidden states, which are cached too. None embeds tokens in the model.
        attn_implementation: "auto" takes "matmul" for short sequences on a CPU and "sdpa" elsewhere.
    """

    model_type = "heygen_text_to_video_recipe"

    pretrained: str | None = None
    autoencoder: str | None = None
    text_encoder: str | None = None
    attn_implementation: str = "auto"


@dataclass(kw_only=True)
class GenerationSection:
    """Sampling defaults, saved with the pipeline.

    Args:
        num_inference_steps, guidance_scale, frame_rate: as in `VideoGenerationPipeline`.
        batch_size: videos sampled at once.
        sample_prompts: what is sampled while training and shown in the card; by default validation captions.
        num_samples: how many of those.
    """

    num_inference_steps: int = 30
    guidance_scale: float = 1.0
    frame_rate: float = 8.0
    batch_size: int = 32
    sample_prompts: list[str] | None = None
    num_samples: int = 8

    def __post_init__(self) -> None:
        _require_positive(self, "num_inference_steps", "frame_rate", "batch_size", "num_samples")
        if self.sample_prompts is not None and not self.sample_prompts:
            raise ValueError("sample_prompts is empty; name a caption or leave the key out")


@dataclass(kw_only=True)
class EvaluationSection:
    """How the trained model is judged, when the data has label columns.

    Args:
        enabled: whether `train` evaluates at its end; `heygen-hf evaluate` does it any time.
        videos_per_unseen_combination, videos_per_seen_combination: videos per combination of labels, split by
            whether the combination occurs in the training clips.
        seed: of the generated videos; video i of the evaluation uses seed + i.
        judge_max_steps: training steps of each judge at most.
        image_to_video_clips: so many test clips give their first frame, and the generated ones are judged, with the
            caption and without; 0 for none. For a model with `training.given_frames`.
        continuation_clips: so many test clips go on in windows to `continuation_frames`, and the last window is
            judged; 0 for none.
        continuation_context_frames: what each window is given of the one before; by default half a window.
    """

    enabled: bool = True
    videos_per_unseen_combination: int = 10
    videos_per_seen_combination: int = 1
    seed: int = 1000
    judge_max_steps: int = 1000
    image_to_video_clips: int = 0
    continuation_clips: int = 0
    continuation_frames: int = 64
    continuation_context_frames: int | None = None

    def __post_init__(self) -> None:
        _require_positive(self, "videos_per_unseen_combination", "videos_per_seen_combination", "judge_max_steps")
        _require_positive(self, "continuation_frames")
        for name in ("image_to_video_clips", "continuation_clips"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")


def _require_positive(section: Any, *names: str) -> None:
    for name in names:
        if getattr(section, name) <= 0:
            raise ValueError(f"{name} must be above 0, got {getattr(section, name)}")


def evaluates(recipe: Recipe) -> bool:
    """Whether the run ends with an evaluation: it is asked for, and there are labels to judge by."""
    return recipe.evaluation.enabled and bool(recipe.data.label_columns)


# Filled in from the tokenizer, the processor and the encoders; a default written out would override them.
# What given frames a model learned from, the trainer says.
_LEFT_OPEN = {"given_frame_patterns", "audio_hidden_size", "vocab_size", "pad_token_id"}
_LEFT_OPEN |= {"sample_frames", "sample_height", "sample_width"}
_LEFT_OPEN_WITH_AUTOENCODER = {"num_channels", "temporal_compression", "spatial_compression"}


def with_defaults(recipe: Recipe) -> Recipe:
    """The recipe with the defaults of its `model` and `training` sections written out, as `recipe.yaml` holds it."""
    defaults = declared_defaults(ModelSection, left_open=_LEFT_OPEN)
    if autoencoder_of(recipe.model) is not None:
        defaults = {name: value for name, value in defaults.items() if name not in _LEFT_OPEN_WITH_AUTOENCODER}
    model = {**defaults, **recipe.model}
    training = {**declared_defaults(VideoGenerationTrainingArguments), **recipe.training}
    return dataclasses.replace(recipe, model=model, training=training)


SECTIONS: dict[str, Any] = {
    "model": ModelSection,
    "data": DataSection,
    "processor": ProcessorSection,
    "training": VideoGenerationTrainingArguments,
    "generation": GenerationSection,
    "evaluation": EvaluationSection,
    "hub": HubSection,
}
