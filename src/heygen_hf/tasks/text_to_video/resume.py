"""Whether and from where a run goes on."""

from pathlib import Path

from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder, read_json
from heygen_hf.tasks.text_to_video.recipe import evaluates, with_defaults
from heygen_hf.training import newest_checkpoint


def is_finished(folder: RunFolder, recipe: Recipe) -> bool:
    """Whether the run has its last step, its export and, where the recipe evaluates, its figures."""
    steps = read_json(folder.facts).get("steps", -1)
    exported = folder.model_index.is_file() and (folder.metrics.is_file() or not evaluates(recipe))
    return exported and steps >= recipe.training.get("max_steps", -1) > 0


def check_same_recipe(folder: RunFolder, recipe: Recipe) -> None:
    """Refuse to continue a run as another: what decides the trajectory must be as it was.

    Raises:
        ValueError: model, data, processor or seed differ; names the keys.
    """
    if not folder.recipe.is_file():
        return
    before, now = with_defaults(load_recipe(folder.recipe)).to_dict(), with_defaults(recipe).to_dict()
    changed = [
        f"{section}.{key}"
        for section in ("model", "data", "processor")
        for key in sorted(before[section].keys() | now[section].keys())
        if before[section].get(key) != now[section].get(key)
    ]
    changed += ["seed"] if before["seed"] != now["seed"] else []
    if changed:
        raise ValueError(
            f"{folder.path} is the run of another recipe ({', '.join(changed)} differ): continue it with its own "
            "recipe.yaml, replace it with --overwrite, or give another output_dir."
        )


def find_checkpoint(folder: RunFolder, resume: str | None) -> Path | None:
    """Where to resume from; torn checkpoints that are newer are named and passed over."""
    if resume is None:
        return None
    if resume != "auto":
        return Path(resume)
    checkpoint, warnings = newest_checkpoint(folder.checkpoints)
    for warning in warnings:
        print(f"warning: {warning}")
    return checkpoint
