"""From a recipe's path to its caches: what `heygen-hf data cache` calls."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.local_models import check_local_models
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.registry import task_module


def cache_recipe(
    path: str | Path, overrides: Sequence[str] = (), *, verify: bool = False, delete_superseded: bool = False
) -> dict[str, list[tuple[str, Any]]]:
    """Compute once what a run of the recipe would encode.

    Args:
        path: a YAML recipe.
        overrides: `section.key=value` laid over it.
        verify: read what is cached already and replace what is damaged.
        delete_superseded: delete caches that another encoder or other settings left behind.

    Returns:
        Split → (kind, `FillReport`) of each cache.

    Raises:
        OSError: the disk is full or cannot be written.
        ValueError: there is nothing to cache, or the recipe cannot work.
    """
    recipe = load_recipe(path, overrides)
    check_local_models(recipe)
    task = task_module(recipe.task)
    if not hasattr(task, "cache"):
        raise ValueError(f"the task {recipe.task} has nothing to cache")
    return task.cache(recipe, verify=verify, delete_superseded=delete_superseded)
