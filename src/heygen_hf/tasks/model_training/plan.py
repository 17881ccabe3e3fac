"""What a run of a supervised task would do: rows of every split, parameters, steps of an epoch, the cost of a step."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers.trainer_utils import set_seed

from heygen_hf.tasks.model_training.arguments import build_arguments
from heygen_hf.tasks.model_training.planned_steps import planned_steps, short_run
from heygen_hf.tasks.model_training.story import at_least_a_step, build_model
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import SupervisedTrainer, SupervisedTrainingArguments

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask


def plan_model_task(task: "ModelTask", recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, as JSON holds it.

    Args:
        measure: take a few real steps (of a model that is thrown away) for the time and the memory.

    Raises:
        ValueError: no data can be used, or the recipe cannot work.
    """
    parts = task.build(recipe, exported=None, is_main=True)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = build_arguments(SupervisedTrainingArguments, short_run(recipe), RunFolder(Path(scratch)))
        arguments.dataloader_num_workers = parts.num_workers
        set_seed(recipe.seed)
        model = build_model(parts, recipe)
        trainer = SupervisedTrainer(
            model,
            arguments,
            train_dataset=at_least_a_step(parts.train_dataset, arguments),
            data_collator=parts.collate,
            count_tokens=parts.count_tokens,
        )
        steps = planned_steps(trainer, recipe, measure=measure)
    weights = list(model.parameters())
    reports = {n: dict(r) if isinstance(r, dict) else r.to_dict() for n, r in parts.reports.items()}
    return {
        "recipe": recipe.name,
        "task": task.name,
        "splits": reports,
        "parameters": sum(weight.numel() for weight in weights),
        "trained_parameters": sum(weight.numel() for weight in weights if weight.requires_grad),
        **steps,
    }
