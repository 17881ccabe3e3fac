"""From a recipe's path to its task: what `heygen-hf train` calls."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.local_models import check_local_models
from heygen_hf.tasks.push_to_hub import check_hub_section, publish_finished_run
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.run_folder import no_empty_folder_left
from heygen_hf.training.parallel.launch import check_launch


def run_recipe(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    resume: str | None = None,
    overwrite: bool = False,
    command: Sequence[str] | None = None,
) -> Any:
    """Run the recipe at `path`.

    Args:
        path: a YAML recipe.
        overrides: `section.key=value` laid over it.
        resume: None or `"none"` to start anew, `"auto"` to go on from the run's newest checkpoint where there
            is one, or the path of a checkpoint folder.
        overwrite: replace a run that `output_dir` already holds; otherwise that is an error.
        command: the command line that asked for this, for the run's records.

    Returns:
        What the task's `run` returns.
    """
    if resume == "none":
        resume = None
    if resume is not None and overwrite:
        raise ValueError(f"resume={resume!r} keeps the run and overwrite=True deletes it: give one of them")
    if resume not in (None, "auto") and not Path(resume).is_dir():
        raise FileNotFoundError(f"no checkpoint folder at {resume}; give one, or auto for the run's newest")
    recipe = load_recipe(path, overrides)
    check_local_models(recipe)
    check_launch()
    _join_cpu_processes()
    check_hub_section(recipe.hub)
    with no_empty_folder_left(recipe.output_dir):
        trained = task_module(recipe.task).run(
            recipe, resume=resume, overwrite=overwrite, command=None if command is None else list(command)
        )
    if os.environ.get("RANK", "0") == "0":
        publish_finished_run(recipe.output_dir, recipe.hub)
    return trained


def _join_cpu_processes() -> None:
    """Make several processes on a machine without a GPU one run.

    `accelerate launch` and `torchrun` start them, but transformers joins them (through gloo) only when told
    to use the CPU; otherwise each believes it is alone, and all of them write the same run.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    import torch

    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or accelerator.type == "mps":
        os.environ.setdefault("ACCELERATE_USE_CPU", "true")
