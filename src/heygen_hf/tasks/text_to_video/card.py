"""The facts of a text-to-video run, and the model card written from them."""

from collections.abc import Callable, Sequence
from typing import Any

from heygen_hf.hub import MetricResult, attribute_metrics, write_card
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.model_training.run_card import run_card_facts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_facts import Spent, training_facts
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.card_samples import generated_samples
from heygen_hf.tasks.text_to_video.recipe import with_defaults
from heygen_hf.training import VideoGenerationTrainer

GROUP_NAMES = {"seen": "combinations seen in training", "unseen": "combinations never seen in training"}


def run_facts(
    recipe: Recipe,
    *,
    data: PreparedData,
    trainer: VideoGenerationTrainer,
    spent: Spent,
    command: Sequence[str] | None,
    prompts: Sequence[str],
) -> dict[str, Any]:
    """What the run was, for `run.json`."""
    facts = training_facts(trainer, data_name=data.source, reports=data.reports, spent=spent, command=command)
    return {**facts, "prompts": list(prompts), "label_columns": recipe.data.label_columns}


def write_run_card(
    folder: RunFolder,
    recipe: Recipe,
    *,
    with_defaults: Callable[[Recipe], Recipe] = with_defaults,
    more_metrics: Sequence[MetricResult] = (),
    **own: Any,
) -> None:
    """Write `README.md` from `run.json`, `metrics.json` and the samples; what is missing is said to be unknown.

    Args:
        with_defaults: writes the task's defaults into the recipe.
        more_metrics: stand below the run's own.
        own: facts of `CardFacts` that only the task knows, or knows better.
    """
    metrics = read_json(folder.metrics)
    measured: list[MetricResult] = []
    if "attribute_accuracy" in metrics:
        measured = attribute_metrics(
            metrics["attribute_accuracy"], metrics["attribute_accuracy_real"], group_names=GROUP_NAMES
        )
    generation = recipe.generation
    known: dict[str, Any] = {
        "model_class": "VideoTransformerForVideoGeneration",
        "data_note": recipe.hub.data_description,
        "samples": generated_samples(folder, frame_rate=generation.frame_rate),
        "generation_defaults": {
            "num_inference_steps": generation.num_inference_steps,
            "guidance_scale": generation.guidance_scale,
            "frame_rate": generation.frame_rate,
        },
        "settings_file": "model_index.json" if folder.model_index.is_file() else None,
    }
    facts = run_card_facts(
        folder, recipe, resolved=with_defaults(recipe), metrics=[*measured, *more_metrics], **known | own
    )
    write_card(folder.path, facts)
