"""A task with a supervised model, put together from what is its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.tasks.model_training.bare import BareModelTraining
from heygen_hf.tasks.model_training.card import rewrite_model_card, write_model_card
from heygen_hf.tasks.model_training.parts import TaskParts
from heygen_hf.tasks.model_training.plan import plan_model_task
from heygen_hf.tasks.model_training.remeasuring import evaluate_model_run
from heygen_hf.tasks.model_training.story import run_model_task
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun


@dataclass(frozen=True, kw_only=True)
class ModelTask:
    """What the registry wants of a task, made from one function.

    Attributes:
        name: the task's key in the registry.
        build: `(recipe, exported=None | the run's folder, is_main=bool) → TaskParts`. With `exported`, tokenizer,
            processor and label names are those that were saved there.
        pipeline_tag: the Hub's name of the task.
    """

    name: str
    build: Callable[..., TaskParts]
    pipeline_tag: str

    def run(self, recipe: Recipe, *, resume: str | None, overwrite: bool, command: Sequence[str] | None) -> TrainedRun:
        """Train what the recipe says; see `run_recipe`."""
        return run_model_task(self, recipe, resume=resume, overwrite=overwrite, command=command)

    def bare_training(self, recipe: Recipe, **options: Any) -> BareModelTraining:
        """Data and trainer alone, for `heygen-hf search` and `--overfit-one-batch`."""
        return BareModelTraining(self, recipe, **options)

    def plan(self, recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
        """What a run would do: `heygen-hf plan RECIPE`."""
        return plan_model_task(self, recipe, measure=measure)

    def evaluate(
        self, run: str | Path, *, output: str | Path | None = None, overrides: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Measure a finished run anew: `heygen-hf evaluate RUN`."""
        return evaluate_model_run(self, run, output=output, overrides=overrides)

    def rewrite_card(self, folder: RunFolder, recipe: Recipe) -> None:
        """Write a run's card anew from its files; of a run before cards were remembered, from its data as well."""
        if not rewrite_model_card(folder, recipe):
            parts = self.build(recipe, exported=folder.path, is_main=True)
            write_model_card(folder, recipe, parts, pipeline_tag=self.pipeline_tag)
