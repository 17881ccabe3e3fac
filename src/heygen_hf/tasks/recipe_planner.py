"""From a recipe's path to its plan: what `heygen-hf plan` calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.local_models import check_local_models
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.registry import task_module


def plan_recipe(path: str | Path, overrides: Sequence[str] = (), *, measure: bool = True) -> dict[str, Any]:
    """What a run of the recipe would do: a dictionary that JSON holds, see `print_plan`.

    Args:
        path: a YAML recipe.
        overrides: `section.key=value` laid over it.
        measure: take a few real steps for their time and memory.

    Raises:
        ValueError: no file can be used, or the recipe cannot work.
    """
    recipe = load_recipe(path, overrides)
    check_local_models(recipe)
    task = task_module(recipe.task)
    if not hasattr(task, "plan"):
        raise ValueError(f"the task {recipe.task} has no plan")
    return task.plan(recipe, measure=measure)
