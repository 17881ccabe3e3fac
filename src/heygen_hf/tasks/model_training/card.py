"""The model card of a run whose model is a transformers model."""

from heygen_hf.hub import CardFacts, write_card
from heygen_hf.tasks.model_training.figures import figures_from_json
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json


def write_model_card(folder: RunFolder, recipe: Recipe, parts: TaskParts, *, pipeline_tag: str) -> None:
    """Write `README.md` from `run.json` and `metrics.json`; what is missing is said to be unknown."""
    facts, metrics = read_json(folder.facts), read_json(folder.metrics)
    reports = facts.get("reports", {})
    skipped = [row for report in reports.values() for row in report.get("skipped", ())]
    usage = parts.usage
    if recipe.peft is not None and not recipe.peft.merge:
        from heygen_hf.tasks.adapters import usage_of_adapters

        usage = usage_of_adapters(usage)
    notes = [note for note in (recipe.hub.data_description, parts.data_note) if note]
    write_card(
        folder.path,
        CardFacts(
            title=recipe.hub.title or folder.path.name,
            task=parts.pipeline_tag or pipeline_tag,
            model_class=parts.model_class.__name__,
            num_parameters=facts.get("num_parameters"),
            data_name=facts.get("data"),
            clips_per_split={split: report["num_used"] for split, report in reports.items()},
            skipped_clips=len(skipped) if reports else None,
            skipped_reasons=[f"{row['file_name']}: {row['reason']}" for row in skipped],
            data_note=" ".join(notes) or None,
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
            usage=usage,
            limits=recipe.hub.limits,
            licence=recipe.hub.license,
        ),
    )
