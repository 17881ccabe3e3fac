"""A run's card, written again from what its folder holds now."""

import importlib
from pathlib import Path

from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.run_folder import RunFolder

# Of tasks that are no `ModelTask`: task -> where its card is written from a run's folder and recipe.
_WRITERS = {
    "text_to_video": "heygen_hf.tasks.text_to_video.card:write_run_card",
    "audio_to_video": "heygen_hf.tasks.audio_to_video.card:write_audio_card",
    "finetuning": "heygen_hf.tasks.finetuning.card:write_finetuning_card",
    "distillation": "heygen_hf.tasks.distillation.measuring:write_student_card",
    "video_autoencoder": "heygen_hf.tasks.video_autoencoder.card:rewrite_autoencoder_card",
}


def rewrite_card(run: str | Path) -> Path:
    """Write `README.md` from the run's recipe and its JSON files, with the figures that were added since.

    Nothing is measured, and the model is not loaded. Of runs that kept less about themselves than runs do now, some
    tasks look at their data again.

    Raises:
        ValueError: no finished run there.
    """
    folder = RunFolder(Path(run))
    if not folder.path.is_dir():
        raise ValueError(f"there is no run at {run}; train one with heygen-hf train RECIPE.")
    if not folder.recipe.is_file() or not folder.facts.is_file():
        raise ValueError(
            f"{run} holds no finished run (no recipe.yaml, or no run.json): train one with heygen-hf train RECIPE, or "
            "finish it with --resume auto."
        )
    recipe = load_recipe(folder.recipe)
    _write(folder, recipe)
    return folder.card


def _write(folder: RunFolder, recipe: Recipe) -> None:
    if recipe.task not in _WRITERS:
        module = task_module(recipe.task)
        if not hasattr(module, "TASK"):
            raise ValueError(f"the card of {recipe.task} is written when it is trained, and cannot be written again.")
        module.TASK.rewrite_card(folder, recipe)
        return
    module_name, _, name = _WRITERS[recipe.task].partition(":")
    getattr(importlib.import_module(module_name), name)(folder, recipe)
