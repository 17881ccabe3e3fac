"""How many steps a run would take, and what one of them costs."""

import dataclasses
import math
from typing import Any

from transformers import PrinterCallback

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.step_cost import measure_steps
from heygen_hf.training import BaseTrainer

_STEPS_MEASURED = 3


def short_run(recipe: Recipe, **training: Any) -> Recipe:
    """The recipe as a few steps that leave and say nothing.

    Args:
        training: what else is another in the `training` section.
    """
    quiet = {"eval_strategy": "no", "save_strategy": "no", "disable_tqdm": True, "report_to": "none"}
    quiet |= {"max_steps": _STEPS_MEASURED, "compile_blocks": "never"}
    return dataclasses.replace(recipe, training=recipe.training | quiet | training)


def planned_steps(trainer: BaseTrainer, recipe: Recipe, *, measure: bool) -> dict[str, Any]:
    """The entries `batches` and `step` of a plan.

    Args:
        trainer: of `short_run(recipe)`.
        recipe: as it is.
        measure: take the short run's steps for their time and memory; `step` is None without.
    """
    trainer.remove_callback(PrinterCallback)
    batches = len(trainer.get_train_dataloader())
    cost = measure_steps(trainer) if measure else None
    steps_per_epoch = math.ceil(batches / trainer.args.gradient_accumulation_steps)
    max_steps = recipe.training.get("max_steps", -1)
    steps = max_steps if max_steps > 0 else math.ceil(trainer.args.num_train_epochs * steps_per_epoch)
    return {
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
