"""From a run's folder to its figures: what `heygen-hf evaluate` calls."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.run_folder import RunFolder


def evaluate_recipe_run(
    run: str | Path,
    overrides: Sequence[str] = (),
    *,
    output: str | Path | None = None,
    num_videos_per_prompt: int | None = None,
    limit: int | None = None,
    seed: int | None = None,
) -> dict[str, Any]:
    """Measure the exported model of a run, with the data and the measure of its recipe.

    Args:
        run: the run's folder.
        overrides: `section.key=value` laid over its recipe, such as `data.train=other/place`; not of tasks that make
            videos.
        output: where the figures are written; by default the run's `metrics.json`, with overrides
            `RUN/evaluation/overridden.json`.
        num_videos_per_prompt, limit, seed: of generated videos, see `text_to_video.evaluate`.

    Raises:
        ValueError: no finished run there, or an option that its task does not know.
    """
    folder = RunFolder(Path(run))
    if not folder.recipe.is_file():
        if folder.path.is_dir() and folder.model_index.is_file():
            raise ValueError(f"{run} holds a model but no recipe.yaml, so there is no data to judge it by.")
        folder.require_export()
        raise ValueError(f"{run} holds no recipe.yaml, so there is no run to measure.")
    task = load_recipe(folder.recipe).task
    options = {"num_videos_per_prompt": num_videos_per_prompt, "limit": limit, "seed": seed}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    evaluate = task_module(task).evaluate
    known = inspect.signature(evaluate).parameters
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: a run of {task} is measured without; leave it out.")
    if overrides:
        if "overrides" not in known:
            raise ValueError(f"{overrides[0]}: a run of {task} is measured with its own recipe; leave it out.")
        given["overrides"] = list(overrides)
    return evaluate(run, output=output, **given)
