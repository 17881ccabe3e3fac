"""Whether and from where a run goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list

from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import newest_checkpoint


def check_same_recipe(
    folder: RunFolder, recipe: Recipe, *, with_defaults: Callable[[Recipe], Recipe] = lambda recipe: recipe
) -> None:
    """Refuse to continue a run as another: what decides the trajectory must be as it was.

    Args:
        with_defaults: writes defaults into a recipe, so that one that is written out equals one that is left out.

    Raises:
        ValueError: model, data, processor, adapters or seed differ; names the keys.
    """
    if not folder.recipe.is_file():
        return
    before, now = with_defaults(load_recipe(folder.recipe)).to_dict(), with_defaults(recipe).to_dict()
    changed = [
        f"{section}.{key}"
        for section in ("model", "audio", "data", "processor", "peft", "distillation")
        for key in sorted(before.get(section, {}).keys() | now.get(section, {}).keys())
        if before.get(section, {}).get(key) != now.get(section, {}).get(key)
    ]
    changed += [key for key in ("task", "seed") if before[key] != now[key]]
    if changed:
        raise ValueError(
            f"{folder.path} is the run of another recipe ({', '.join(changed)} changed): continue it with its own "
            "recipe.yaml, replace it with --overwrite, or give another output_dir."
        )


def find_checkpoint(folder: RunFolder, resume: str | None) -> Path | None:
    """Where to resume from, in all processes alike; torn checkpoints that are newer are named and passed over."""
    if resume is None:
        return None
    if resume != "auto":
        if not Path(resume).is_dir():
            raise ValueError(f"there is no checkpoint folder at {resume}; give one, or auto for the run's newest.")
        return Path(resume)
    found: list[Any] = [None, 0]
    several = torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1
    if not several or torch.distributed.get_rank() == 0:
        checkpoint, warnings = newest_checkpoint(folder.checkpoints)
        for warning in warnings:
            print(f"warning: {warning}")
        # A log and an export may be all that is left of a long training: not to be written over unasked.
        found = [checkpoint, 0 if checkpoint is not None else len(warnings)]
    if several:
        broadcast_object_list(found)
    checkpoint, num_torn = found
    if num_torn:
        raise ValueError(
            f"no checkpoint in {folder.checkpoints} is whole ({num_torn} torn): start anew with --overwrite, or give "
            "another output_dir."
        )
    return checkpoint
