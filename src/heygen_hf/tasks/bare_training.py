"""A task's data and its trainer, and nothing around them: no samples, export, figures or card.

What searches, and what trains for a few steps to see whether training works, is written against this; a task gives
`bare_training(recipe)` in its module.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import BaseTrainer


class BareTraining(ABC):
    """Data prepared once, trainers built from it as often as wanted.

    Args:
        recipe: whose data are prepared.

    Raises:
        ValueError: the recipe cannot work.
    """

    recipe: Recipe

    @property
    @abstractmethod
    def has_validation(self) -> bool:
        """Whether there is something to evaluate on."""

    @abstractmethod
    def serves(self, recipe: Recipe) -> bool:
        """Whether the data prepared here are those of another recipe, too."""

    @abstractmethod
    def build_trainer(
        self, recipe: Recipe, folder: RunFolder, *, callbacks: Sequence[TrainerCallback] = ()
    ) -> BaseTrainer:
        """A fresh model, seeded as the run seeds it, and its trainer.

        Args:
            recipe: this one, or one that it serves.
            folder: where the trainer would save.

        Raises:
            ValueError: the recipe cannot work.
        """


def bare_training(recipe: Recipe) -> BareTraining:
    """The bare training of the recipe's task.

    Raises:
        ValueError: the recipe cannot work.
    """
    return task_module(recipe.task).bare_training(recipe)


def same_values(one: Recipe, other: Recipe, keys: Sequence[str]) -> bool:
    """Whether two recipes agree in sections, or in keys of them (`section.key`)."""
    first, second = one.to_dict(), other.to_dict()
    return all(_value(first, key) == _value(second, key) for key in keys)


def _value(values: Any, dotted: str) -> Any:
    for part in dotted.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values
