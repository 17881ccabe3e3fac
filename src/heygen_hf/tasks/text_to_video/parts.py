"""What the story of a video generator asks of its task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase, TrainerCallback

from heygen_hf.data import VideoTextCollator
from heygen_hf.data.loading import ClipLoader
from heygen_hf.models.video_transformer import VideoTransformerForVideoGeneration
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData, check_labels, prepare_data
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.text_to_video.card import write_run_card
from heygen_hf.tasks.text_to_video.encoded_data import EncodedCaptions
from heygen_hf.tasks.text_to_video.encoders import Encoders, load_encoders
from heygen_hf.tasks.text_to_video.evaluation import evaluate_run
from heygen_hf.tasks.text_to_video.export import export_run
from heygen_hf.tasks.text_to_video.model import build_model, build_tokenizer_for, check_sizes
from heygen_hf.tasks.text_to_video.recipe import evaluates, with_defaults
from heygen_hf.training import VideoGenerationTrainer, VideoGenerationTrainingArguments


@dataclass(frozen=True)
class Samples:
    """What sample videos are made from.

    Attributes:
        prompts: captions; None for a model without.
        texts: what is shown, a line for each.
        given: further arguments of the pipeline, see `sample_videos`.
        usage: the options of `heygen-hf generate` that make something like it.
    """

    prompts: Sequence[str] | None
    texts: Sequence[str]
    usage: str
    given: Mapping[str, Any] = field(default_factory=dict)


class TextToVideo:
    """Captions to video; a task that generates from something else overrides what it does differently.

    Args:
        recipe: of the run.
    """

    trainer_class: type[VideoGenerationTrainer] = VideoGenerationTrainer
    arguments_class: type[VideoGenerationTrainingArguments] = VideoGenerationTrainingArguments
    # Whether what is not cached is encoded before training and not while it goes on: for encoders of many gigabytes.
    fills_cache_first: bool = False

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    def check(self) -> None:
        """Refuse what cannot work before anything is decoded.

        Raises:
            ValueError: names the key.
        """
        check_sizes(self.recipe)

    def build_arguments(self, folder: RunFolder) -> VideoGenerationTrainingArguments:
        """The trainer's, with the recipe's seed and the run's checkpoint folder."""
        return self.arguments_class(
            output_dir=str(folder.checkpoints),
            seed=self.recipe.seed,
            data_seed=self.recipe.seed,
            **self.recipe.training,
        )

    def with_defaults(self, recipe: Recipe) -> Recipe:
        """The recipe with the defaults of its `model` and `training` sections written out."""
        return with_defaults(recipe)

    def evaluates(self) -> bool:
        """Whether the run ends with an evaluation."""
        return evaluates(self.recipe)

    def prepare(self, *, processor: VideoProcessor, is_main: bool) -> PreparedData:
        """The recipe's clips."""
        return prepare_data(self.recipe.data, processor=processor, seed=self.recipe.seed, is_main=is_main)

    def check_data(self, data: PreparedData) -> None:
        """Refuse data that cannot be evaluated, before training and not after it.

        Raises:
            ValueError: names the column.
        """
        if self.evaluates():
            check_labels(data, self.recipe.data.label_columns)

    def build_tokenizer(self, data: PreparedData) -> PreTrainedTokenizerBase | None:
        """For captions; None for a model without."""
        return build_tokenizer_for(self.recipe, data)

    def build_model(
        self, *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase | None
    ) -> VideoTransformerForVideoGeneration:
        """The generator."""
        return build_model(self.recipe.model, processor=processor, tokenizer=tokenizer)

    def load_encoders(self) -> Encoders:
        """Of clips and captions, on the CPU; empty for a model of pixels and token ids."""
        return load_encoders(self.recipe.model)

    def build_collator(
        self, *, processor: VideoProcessor, tokenizer: PreTrainedTokenizerBase | None
    ) -> EncodedCaptions:
        """Of training and validation batches."""
        max_length = None if tokenizer is None else tokenizer.model_max_length
        return EncodedCaptions(VideoTextCollator(processor, tokenizer, max_length=max_length))

    def loader_without_model(
        self,
        data: PreparedData,  # noqa: ARG002 - for other tasks
        arguments: VideoGenerationTrainingArguments,  # noqa: ARG002
        *,
        processor: VideoProcessor,  # noqa: ARG002
    ) -> ClipLoader | None:
        """Training batches for `plan`, where they can be counted without loading a model; else None."""
        return None

    def components(self) -> dict[str, Any]:
        """Of the pipeline, beyond those of captions and latents."""
        return {}

    def callbacks(self, model: VideoTransformerForVideoGeneration) -> list[TrainerCallback]:  # noqa: ARG002 - for other tasks
        """Of the trainer, beside those that every run has."""
        return []

    def build_pipeline(
        self,
        model: VideoTransformerForVideoGeneration,
        *,
        processor: VideoProcessor,
        tokenizer: PreTrainedTokenizerBase | None,
        encoders: Encoders,
        is_main: bool,
    ) -> VideoGenerationPipeline:
        """What samples with the model, and is exported.

        Args:
            is_main: the other processes neither sample nor export, so their encoders may go.
        """
        generation = self.recipe.generation
        return VideoGenerationPipeline(
            model.transformer,
            build_scheduler(model.config),
            processor,
            tokenizer,
            text_encoder=encoders.text_encoder if is_main else None,
            vae=encoders.autoencoder if is_main else None,
            num_inference_steps=generation.num_inference_steps,
            guidance_scale=generation.guidance_scale,
            frame_rate=generation.frame_rate,
            **(self.components() if is_main else {}),
        )

    def before_training(
        self, pipeline: VideoGenerationPipeline, *, samples: "Samples", folder: RunFolder, device: torch.device
    ) -> None:
        """Called once a fresh training is about to begin, on the main process.

        Args:
            device: this process's; a model that will be sharded is not there yet.
        """

    def export(
        self, folder: RunFolder, pipeline: VideoGenerationPipeline, *, samples: "Samples", precision: str
    ) -> None:
        """Write the pipeline with the weights it holds now, its reference output and its sample videos."""
        export_run(
            folder,
            pipeline,
            prompts=samples.prompts,
            seed=self.recipe.seed,
            batch_size=self.recipe.generation.batch_size,
            precision=precision,
            given=samples.given,
            texts=samples.texts,
        )

    def samples(self, data: PreparedData, *, processor: VideoProcessor) -> Samples:  # noqa: ARG002 - for other tasks
        """What is sampled while training and shown in the card."""
        generation = self.recipe.generation
        prompts = generation.sample_prompts or data.sample_prompts(generation.num_samples)
        return Samples(prompts, prompts, usage=f"--prompt {prompts[0]!r}")

    def evaluate(self, folder: RunFolder, *, data: PreparedData) -> dict[str, Any]:
        """The figures of the exported model, written and printed."""
        return evaluate_run(folder, self.recipe, data=data)

    def write_card(self, folder: RunFolder) -> None:
        """Write `README.md`."""
        write_run_card(folder, self.recipe)
