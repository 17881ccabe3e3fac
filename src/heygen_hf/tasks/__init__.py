"""One room a task: data, model, trainer, export, evaluation and card, read from top to bottom."""

from heygen_hf.tasks.recipe import Recipe, load_recipe, resolved_yaml
from heygen_hf.tasks.recipe_evaluator import evaluate_recipe_run
from heygen_hf.tasks.recipe_runner import run_recipe
from heygen_hf.tasks.recipe_yaml import RecipeError
from heygen_hf.tasks.registry import TASKS

__all__ = ["TASKS", "Recipe", "RecipeError", "evaluate_recipe_run", "load_recipe", "resolved_yaml", "run_recipe"]
