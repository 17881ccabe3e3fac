"""What a run's own files say for its model card, whatever the model is."""

from typing import Any

from heygen_hf.hub import CardFacts
from heygen_hf.tasks.model_training.figures import figures_from_json
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json


def run_card_facts(folder: RunFolder, recipe: Recipe, **own: Any) -> CardFacts:
    """The facts from `recipe`, `run.json` and `metrics.json`; what is missing is said to be unknown.

    Args:
        own: facts that only the task knows.
    """
    facts, metrics = read_json(folder.facts), read_json(folder.metrics)
    reports = facts.get("reports", {})
    skipped = [row for report in reports.values() for row in report.get("skipped", ())]
    return CardFacts(
        title=recipe.hub.title or folder.path.name,
        num_parameters=facts.get("num_parameters"),
        data_name=facts.get("data"),
        clips_per_split={split: report["num_used"] for split, report in reports.items()},
        skipped_clips=len(skipped) if reports else None,
        skipped_reasons=[f"{row['file_name']}: {row['reason']}" for row in skipped],
        recipe_yaml=resolved_yaml(recipe),
        command=facts.get("command"),
        hardware=facts.get("hardware", {}),
        training_seconds=facts.get("training_seconds"),
        steps=facts.get("steps"),
        samples_seen=facts.get("samples_seen"),
        versions=facts.get("versions", {}),
        metrics=figures_from_json(metrics.get("figures", [])),
        metrics_file="metrics.json" if metrics else None,
        validation_loss=facts.get("validation_loss"),
        limits=recipe.hub.limits,
        licence=recipe.hub.license,
        **own,
    )
