"""What a run would do: clips of every split, the latents, parameters, steps of an epoch, the cost of a step."""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

from transformers.trainer_utils import set_seed

from heygen_hf.data import VideoTextCollator
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.model_training.arguments import build_arguments, float32_on_cpu
from heygen_hf.tasks.model_training.planned_steps import planned_steps, short_run
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_autoencoder.model import build_autoencoder, count_parameters, size_of_latents
from heygen_hf.tasks.video_autoencoder.recipe import check_options
from heygen_hf.tasks.video_autoencoder.story import prepare_clips_of
from heygen_hf.training import VideoAutoencoderTrainer, VideoAutoencoderTrainingArguments


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, as JSON holds it.

    Args:
        measure: take a few real steps (of an autoencoder that is thrown away) for the time and the memory; with an
            adversary from the first of them on.

    Raises:
        ValueError: no clip can be used, or the recipe cannot work.
    """
    recipe = float32_on_cpu(recipe)
    check_options(recipe)
    set_seed(recipe.seed)
    autoencoder = build_autoencoder(recipe.model)
    size = size_of_latents(recipe, autoencoder)
    processor = VideoProcessor(**dataclasses.asdict(recipe.processor))
    data = prepare_clips_of(recipe, processor=processor, is_main=False)
    short = short_run(recipe, sample_steps=0, adversarial_start_step=0)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = build_arguments(VideoAutoencoderTrainingArguments, short, RunFolder(Path(scratch)))
        arguments.dataloader_num_workers = data.num_workers
        samples = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        trainer = VideoAutoencoderTrainer(
            autoencoder,
            arguments,
            train_dataset=data.training_set(at_least=samples),
            data_collator=VideoTextCollator(processor),
        )
        steps = planned_steps(trainer, recipe, measure=measure)
    return {
        "recipe": recipe.name,
        "task": "video_autoencoder",
        "splits": {name: report.to_dict() for name, report in data.reports.items()},
        "parameters": count_parameters(autoencoder),
        "trained_parameters": count_parameters(autoencoder),
        "clip_size": list(size.clip),
        "latent_size": list(size.latents),
        "compression_ratio": round(size.compression_ratio, 2),
        **steps,
    }
