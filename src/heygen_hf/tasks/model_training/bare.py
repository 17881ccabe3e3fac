"""The trainer of a supervised task alone: for `search` and `--overfit-one-batch`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from transformers import TrainerCallback
from transformers.trainer_utils import set_seed

from heygen_hf.tasks.bare_training import BareTraining, same_values
from heygen_hf.tasks.model_training.arguments import build_arguments
from heygen_hf.tasks.model_training.story import build_model, build_trainer
from heygen_hf.tasks.recipe import SECTION_NAMES, Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import SupervisedTrainer, SupervisedTrainingArguments

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask

# A task's parts know how its model is built; of `training` they read this alone.
_PARTS_KEYS = ("seed", "training.label_smoothing_factor", *(name for name in SECTION_NAMES if name != "training"))


class BareModelTraining(BareTraining):
    """See [`BareTraining`].

    Args:
        complete: fills in what the task decides itself.
    """

    def __init__(
        self, task: "ModelTask", recipe: Recipe, *, complete: Callable[[Recipe], Recipe] = lambda recipe: recipe
    ) -> None:
        self.recipe, self._complete = recipe, complete
        self._parts = task.build(complete(recipe), exported=None, is_main=True)

    @property
    def has_validation(self) -> bool:
        return self._parts.eval_dataset is not None

    def serves(self, recipe: Recipe) -> bool:
        return same_values(self.recipe, recipe, _PARTS_KEYS)

    def build_trainer(
        self, recipe: Recipe, folder: RunFolder, *, callbacks: Sequence[TrainerCallback] = ()
    ) -> SupervisedTrainer:
        recipe = self._complete(recipe)
        arguments = build_arguments(SupervisedTrainingArguments, recipe, folder)
        set_seed(recipe.seed)
        return build_trainer(self._parts, build_model(self._parts, recipe), arguments, callbacks=list(callbacks))
