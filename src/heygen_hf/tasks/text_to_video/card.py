"""The facts of a text-to-video run, and the model card written from them."""

from collections.abc import Callable, Sequence
from typing import Any

from heygen_hf.hub import CardFacts, MetricResult, SampleImage, attribute_metrics, write_card
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_facts import training_facts
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.recipe import with_defaults
from heygen_hf.training import VideoGenerationTrainer

GROUP_NAMES = {"seen": "combinations seen in training", "unseen": "combinations never seen in training"}


def run_facts(
    recipe: Recipe,
    *,
    data: PreparedData,
    trainer: VideoGenerationTrainer,
    training_seconds: float,
    command: Sequence[str] | None,
    prompts: Sequence[str],
) -> dict[str, Any]:
    """What the run was, for `run.json`."""
    facts = training_facts(
        trainer, data_name=data.source, reports=data.reports, training_seconds=training_seconds, command=command
    )
    return {**facts, "prompts": list(prompts), "label_columns": recipe.data.label_columns}


def write_run_card(
    folder: RunFolder,
    recipe: Recipe,
    *,
    with_defaults: Callable[[Recipe], Recipe] = with_defaults,
    more_metrics: Sequence[MetricResult] = (),
    task: str = "text-to-video",
    pipeline_usage: str | None = None,
) -> None:
    """Write `README.md` from `run.json`, `metrics.json` and the samples; what is missing is said to be unknown.

    Args:
        with_defaults: writes the task's defaults into the recipe.
        more_metrics: stand below the run's own.
        task, pipeline_usage: as in `CardFacts`.
    """
    facts, metrics = read_json(folder.facts), read_json(folder.metrics)
    reports = facts.get("reports", {})
    skipped = [row for report in reports.values() for row in report["skipped"]]
    measured = []
    if "attribute_accuracy" in metrics:
        measured = attribute_metrics(
            metrics["attribute_accuracy"], metrics["attribute_accuracy_real"], group_names=GROUP_NAMES
        )
    strips = folder.samples / "samples.png"
    samples = []
    if strips.is_file():
        note = "one video a row, frames from left to right"
        samples = [SampleImage(path="samples/samples.png", prompts=facts.get("prompts", []), note=note)]
    generation = recipe.generation
    hub = recipe.hub
    write_card(
        folder.path,
        CardFacts(
            title=hub.title or folder.path.name,
            task=task,
            pipeline_usage=pipeline_usage,
            model_class="VideoTransformerForVideoGeneration",
            num_parameters=facts.get("num_parameters"),
            data_name=facts.get("data"),
            clips_per_split={split: report["num_used"] for split, report in reports.items()},
            skipped_clips=len(skipped) if reports else None,
            skipped_reasons=[f"{row['file_name']}: {row['reason']}" for row in skipped],
            data_note=hub.data_description,
            recipe_yaml=resolved_yaml(with_defaults(recipe)),
            command=facts.get("command"),
            hardware=facts.get("hardware", {}),
            training_seconds=facts.get("training_seconds"),
            steps=facts.get("steps"),
            samples_seen=facts.get("samples_seen"),
            versions=facts.get("versions", {}),
            metrics=[*measured, *more_metrics],
            metrics_file="metrics.json" if metrics else None,
            validation_loss=facts.get("validation_loss"),
            samples=samples,
            generation_defaults={
                "num_inference_steps": generation.num_inference_steps,
                "guidance_scale": generation.guidance_scale,
                "frame_rate": generation.frame_rate,
            },
            limits=hub.limits,
            licence=hub.license,
        ),
    )
