"""The `training` section of a recipe as a trainer's arguments."""

from dataclasses import replace
from typing import TypeVar

import torch

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.recipe_defaults import declared_defaults
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import BaseTrainingArguments

Arguments = TypeVar("Arguments", bound=BaseTrainingArguments)


def build_arguments(cls: type[Arguments], recipe: Recipe, folder: RunFolder) -> Arguments:
    """The trainer's arguments, with the recipe's seed and the run's checkpoint folder."""
    return cls(output_dir=str(folder.checkpoints), seed=recipe.seed, data_seed=recipe.seed, **recipe.training)


def with_defaults(cls: type[BaseTrainingArguments], recipe: Recipe) -> Recipe:
    """The recipe with the defaults of its `training` section written out, as `recipe.yaml` holds it."""
    return replace(recipe, training={**declared_defaults(cls), **recipe.training})


def float32_on_cpu(recipe: Recipe) -> Recipe:
    """float32 on a CPU unless the recipe says otherwise: half-precision 3-D convolutions gave NaN there."""
    if torch.cuda.is_available() or "precision" in recipe.training:
        return recipe
    return replace(recipe, training={**recipe.training, "precision": "fp32"})
