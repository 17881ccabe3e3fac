"""The facts of a text-to-video run, and the model card written from them."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from heygen_hf.hub import CardFacts, SampleImage, attribute_metrics, write_card
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.recipe import with_defaults
from heygen_hf.training import VideoGenerationTrainer

_PACKAGES = ("heygen_hf", "torch", "transformers", "diffusers", "accelerate", "datasets")
_GROUP_NAMES = {"seen": "combinations seen in training", "unseen": "combinations never seen in training"}


def run_facts(
    recipe: Recipe,
    *,
    data: PreparedData,
    trainer: VideoGenerationTrainer,
    training_seconds: float,
    command: Sequence[str] | None,
    prompts: Sequence[str],
) -> dict[str, Any]:
    """What the run was, for `run.json`. A resumed run's whole time is unknown; that of its last part is given."""
    resumed = trainer.initial_step > 0
    reports = {split: report.to_dict() for split, report in data.reports.items()}
    for report in reports.values():
        # A path of this machine, in a folder that gets published.
        report.pop("store_path", None)
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    return {
        "command": list(command) if command else None,
        "data": data.source,
        "reports": reports,
        "replaced_clips": trainer.replaced_clips,
        "num_parameters": sum(weight.numel() for weight in trainer.model.parameters()),
        "steps": trainer.state.global_step,
        "samples_seen": trainer.state.global_step * trainer.global_batch_size,
        "training_seconds": None if resumed else round(training_seconds, 1),
        "resumed_at_step": trainer.initial_step if resumed else None,
        "seconds_since_resumed": round(training_seconds, 1) if resumed else None,
        "validation_loss": evaluations[-1]["eval_loss"] if evaluations else None,
        "hardware": hardware(trainer),
        "versions": package_versions(),
        "prompts": list(prompts),
        "label_columns": recipe.data.label_columns,
    }


def hardware(trainer: VideoGenerationTrainer) -> dict[str, Any]:
    """The machine by kind, never by name."""
    found: dict[str, Any] = {"processes": trainer.args.world_size, "precision": precision(trainer)}
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    found["cpu"] = f"{os.cpu_count()} cores, {platform.machine()}"
    return found


def precision(trainer: VideoGenerationTrainer) -> str:
    """What the matrix products were computed in."""
    return "bfloat16" if trainer.args.bf16 else "float16" if trainer.args.fp16 else "float32"


def package_versions() -> dict[str, str]:
    """Versions of the packages that matter, where they are known."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_run_card(folder: RunFolder, recipe: Recipe) -> None:
    """Write `README.md` from `run.json`, `metrics.json` and the samples; what is missing is said to be unknown."""
    facts, metrics = read_json(folder.facts), read_json(folder.metrics)
    reports = facts.get("reports", {})
    skipped = [row for report in reports.values() for row in report["skipped"]]
    measured = []
    if "attribute_accuracy" in metrics:
        measured = attribute_metrics(
            metrics["attribute_accuracy"], metrics["attribute_accuracy_real"], group_names=_GROUP_NAMES
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
            metrics=measured,
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
