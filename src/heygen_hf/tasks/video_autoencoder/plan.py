"""What a run would do: clips of every split, the latents, parameters, steps of an epoch, the cost of a step."""

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import Any

from transformers import PrinterCallback
from transformers.trainer_utils import set_seed

from heygen_hf.data import VideoTextCollator
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.step_cost import measure_steps
from heygen_hf.tasks.video_autoencoder.model import build_autoencoder, count_parameters, size_of_latents
from heygen_hf.tasks.video_autoencoder.recipe import build_arguments, check_options, with_precision
from heygen_hf.tasks.video_autoencoder.story import prepare_clips_of
from heygen_hf.training import VideoAutoencoderTrainer

_STEPS_MEASURED = 3


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, as JSON holds it.

    Args:
        measure: take a few real steps (of an autoencoder that is thrown away) for the time and the memory; with an
            adversary from the first of them on.

    Raises:
        ValueError: no clip can be used, or the recipe cannot work.
    """
    recipe = with_precision(recipe)
    check_options(recipe)
    set_seed(recipe.seed)
    autoencoder = build_autoencoder(recipe.model)
    size = size_of_latents(recipe, autoencoder)
    processor = VideoProcessor(**dataclasses.asdict(recipe.processor))
    data = prepare_clips_of(recipe, processor=processor, is_main=False)
    quiet = {"eval_strategy": "no", "save_strategy": "no", "disable_tqdm": True, "report_to": "none"}
    quiet |= {"sample_steps": 0, "max_steps": _STEPS_MEASURED, "compile_blocks": "never", "adversarial_start_step": 0}
    with tempfile.TemporaryDirectory() as scratch:
        short = dataclasses.replace(recipe, training=recipe.training | quiet)
        arguments = build_arguments(short, RunFolder(Path(scratch)))
        arguments.dataloader_num_workers = data.num_workers
        samples = arguments.train_batch_size * arguments.gradient_accumulation_steps * arguments.world_size
        trainer = VideoAutoencoderTrainer(
            autoencoder,
            arguments,
            train_dataset=data.training_set(at_least=samples),
            data_collator=VideoTextCollator(processor),
        )
        trainer.remove_callback(PrinterCallback)
        batches = len(trainer.get_train_dataloader())
        cost = measure_steps(trainer) if measure else None
    steps_per_epoch = math.ceil(batches / arguments.gradient_accumulation_steps)
    max_steps = recipe.training.get("max_steps", -1)
    steps = max_steps if max_steps > 0 else math.ceil(arguments.num_train_epochs * steps_per_epoch)
    return {
        "recipe": recipe.name,
        "task": "video_autoencoder",
        "splits": {name: report.to_dict() for name, report in data.reports.items()},
        "parameters": count_parameters(autoencoder),
        "trained_parameters": count_parameters(autoencoder),
        "clip_size": list(size.clip),
        "latent_size": list(size.latents),
        "compression_ratio": round(size.compression_ratio, 2),
        "batches": {
            "batches_per_rank": batches,
            "steps_per_epoch": steps_per_epoch,
            "samples_per_step": trainer.global_batch_size,
            "max_steps": steps,
            "epochs": round(steps / steps_per_epoch, 2),
        },
        "step": None
        if cost is None
        else {
            **dataclasses.asdict(cost),
            "epoch_seconds": round(cost.step_seconds * steps_per_epoch, 1),
            "run_seconds": round(cost.step_seconds * steps, 1),
            "compiled": False,
        },
    }
