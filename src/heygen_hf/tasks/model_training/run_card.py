"""What a run's own files say for its model card, whatever the model is."""

from collections.abc import Mapping, Sequence
from typing import Any

from heygen_hf.hub import CardFacts, DataSplit, checks_in, figures_in, story_of
from heygen_hf.tasks.model_training.figures import figures_from_json
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.run_folder import RunFolder, read_json, write_json


def run_card_facts(
    folder: RunFolder,
    recipe: Recipe,
    *,
    resolved: Recipe | None = None,
    metrics: Sequence[Any] | None = None,
    **own: Any,
) -> CardFacts:
    """The facts from `recipe`, `run.json` and the files of figures; what is missing is said to be unknown.

    Args:
        resolved: the recipe with the task's defaults, to be shown of a run that has not written it.
        metrics: figures of `metrics.json`, where they do not lie there as `MetricResult`s.
        own: facts that only the task knows.
    """
    facts, measured = read_json(folder.facts), read_json(folder.metrics)
    commit, energy = facts.get("commit") or {}, facts.get("energy") or {}
    others = figures_in(folder.path)
    stories = {name: story_of(folder.path, name) for name in dict.fromkeys(figure.source for figure in others) if name}
    return CardFacts(
        title=recipe.hub.title or folder.path.name,
        kind=recipe.task,
        num_parameters=facts.get("num_parameters"),
        data_name=facts.get("data"),
        splits=[_split(name, report) for name, report in facts.get("reports", {}).items()],
        replaced=list((facts.get("replaced_clips") or {}).items()),
        recipe_yaml=_recipe_text(folder, resolved or recipe),
        command=facts.get("command"),
        commit=commit.get("heygen_hf"),
        commit_is_modified=commit.get("modified"),
        hardware=facts.get("hardware", {}),
        training_seconds=facts.get("training_seconds"),
        seconds_since_resumed=facts.get("seconds_since_resumed"),
        resumed_at_step=facts.get("resumed_at_step"),
        steps=facts.get("steps"),
        samples_seen=facts.get("samples_seen"),
        energy_kilowatt_hours=energy.get("kilowatt_hours"),
        energy_of=energy.get("of"),
        versions=facts.get("versions", {}),
        metrics=[*(figures_from_json(measured.get("figures", [])) if metrics is None else metrics), *others],
        metrics_file="metrics.json" if measured else None,
        stories={name: story for name, story in stories.items() if story},
        checks=checks_in(folder.path),
        facts_file="run.json" if facts else None,
        validation_loss=facts.get("validation_loss"),
        intended_use=recipe.hub.intended_use,
        limits=recipe.hub.limits,
        citation=recipe.hub.citation,
        licence=recipe.hub.license,
        **own,
    )


def _recipe_text(folder: RunFolder, recipe: Recipe) -> str:
    """As it was when the run was made: a later version of this package has other keys."""
    return folder.recipe.read_text(encoding="utf-8") if folder.recipe.is_file() else resolved_yaml(recipe)


def remember_for_card(folder: RunFolder, **own: Any) -> None:
    """Keep in `run.json` what only a task that has its data at hand knows, so that its card can be written again."""
    write_json(folder.facts, {**read_json(folder.facts), "card": own})


def remembered_for_card(folder: RunFolder) -> dict[str, Any] | None:
    """What `remember_for_card` kept; None of a run before it did."""
    return read_json(folder.facts).get("card")


def _split(name: str, report: Mapping[str, Any]) -> DataSplit:
    """Of some tasks the account has `num_used` and `skipped` alone."""
    return DataSplit(
        name=name,
        used=report["num_used"],
        found=report.get("num_rows"),
        set_apart=report.get("num_set_apart"),
        padded=report.get("num_padded"),
        skipped=[(row["file_name"], row["reason"]) for row in report.get("skipped", ())],
        notes=report.get("warnings", ()),
    )
