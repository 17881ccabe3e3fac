"""What a run of a supervised task would do: rows of every split, parameters, steps of an epoch, the cost of a step."""

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import PrinterCallback
from transformers.trainer_utils import set_seed

from heygen_hf.tasks.model_training.story import at_least_a_step, build_arguments, build_model
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.step_cost import measure_steps
from heygen_hf.training import SupervisedTrainer

if TYPE_CHECKING:
    from heygen_hf.tasks.model_training.task import ModelTask

_STEPS_MEASURED = 3


def plan_model_task(task: "ModelTask", recipe: Recipe, *, measure: bool = True) -> dict[str, Any]:
    """The plan of a recipe, as JSON holds it.

    Args:
        measure: take a few real steps (of a model that is thrown away) for the time and the memory.

    Raises:
        ValueError: no data can be used, or the recipe cannot work.
    """
    parts = task.build(recipe, exported=None, is_main=True)
    quiet = {"eval_strategy": "no", "save_strategy": "no", "disable_tqdm": True, "report_to": "none"}
    training = recipe.training | quiet | {"max_steps": _STEPS_MEASURED, "compile_blocks": "never"}
    with tempfile.TemporaryDirectory() as scratch:
        arguments = build_arguments(dataclasses.replace(recipe, training=training), RunFolder(Path(scratch)))
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
        trainer.remove_callback(PrinterCallback)
        batches = len(trainer.get_train_dataloader())
        cost = measure_steps(trainer) if measure else None
    steps_per_epoch = math.ceil(batches / arguments.gradient_accumulation_steps)
    max_steps = recipe.training.get("max_steps", -1)
    steps = max_steps if max_steps > 0 else math.ceil(arguments.num_train_epochs * steps_per_epoch)
    weights = list(model.parameters())
    reports = {n: dict(r) if isinstance(r, dict) else r.to_dict() for n, r in parts.reports.items()}
    return {
        "recipe": recipe.name,
        "task": task.name,
        "splits": reports,
        "parameters": sum(weight.numel() for weight in weights),
        "trained_parameters": sum(weight.numel() for weight in weights if weight.requires_grad),
        "batches": {
            "batches_per_rank": batches,
            "steps_per_epoch": steps_per_epoch,
            "samples_per_step": trainer.global_batch_size,
            "max_steps": steps,
            "epochs": round(steps / steps_per_epoch, 2),
        },
        "step": None
        if cost is None
        else {
            **dataclasses.asdict(cost),
            "epoch_seconds": round(cost.step_seconds * steps_per_epoch, 1),
            "run_seconds": round(cost.step_seconds * steps, 1),
            "compiled": False,
        },
    }
