"""Distillation, from a finished run to one of the same layout that samples in few steps.

The story is that of text to video; what differs is in `task.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heygen_hf.tasks.distillation.task import Distillation
from heygen_hf.tasks.distillation.teacher import student_recipe, with_teachers_model
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import TrainedRun, no_empty_folder_left
from heygen_hf.tasks.text_to_video.bare import BareVideoTraining
from heygen_hf.tasks.text_to_video.plan import plan as plan_video
from heygen_hf.tasks.text_to_video.story import run as run_video


def distill(
    run: str | Path,
    overrides: Sequence[str] = (),
    *,
    to_steps: int,
    output_dir: str | Path | None = None,
    overwrite: bool = False,
    command: Sequence[str] | None = None,
) -> TrainedRun:
    """Distill a finished run of text to video, or one distilled already, to `to_steps` steps.

    Args:
        run: the teacher's folder.
        overrides: `section.key=value` laid over the recipe derived from the teacher's.
        output_dir: by default beside the teacher, `RUN_4_steps`.
        overwrite: replace a run that it already holds.
        command: the command line, for the card.

    Raises:
        ValueError: the run cannot teach that, or the output folder cannot be used.
    """
    recipe = student_recipe(run, overrides, to_steps=to_steps, output_dir=output_dir)
    return _run(recipe, resume=None, overwrite=overwrite, command=command)


def run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    """Train the student that a recipe describes; the arguments are those of `text_to_video.run`."""
    return _run(recipe, resume=resume, overwrite=overwrite, command=command)


def _run(recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
    recipe = with_teachers_model(recipe)
    with no_empty_folder_left(recipe.output_dir):
        return run_video(recipe, resume=resume, overwrite=overwrite, command=command, task=Distillation)


def plan(recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, see `text_to_video.plan`."""
    return plan_video(with_teachers_model(recipe), measure=measure, task=Distillation)


def bare_training(recipe: Recipe) -> BareVideoTraining:
    """Data and trainer alone, see `BareTraining`."""
    return BareVideoTraining(recipe, task=Distillation, complete=with_teachers_model)
