"""What precedes a run: whether anything is left to do, whose folder it is, where it goes on from."""

from pathlib import Path

from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.resuming import check_same_recipe, find_checkpoint
from heygen_hf.tasks.run_folder import RunFolder, TrainedRun, read_json
from heygen_hf.training import BaseTrainingArguments


def finished_run(folder: RunFolder, recipe: Recipe) -> TrainedRun | None:
    """The folder's run where it is exported, measured, has its card and all the recipe's steps, which is said aloud.

    Raises:
        ValueError: it is the run of another recipe.
    """
    check_same_recipe(folder, recipe)
    exported = folder.model_config is not None and folder.metrics.is_file() and folder.card.is_file()
    if not exported or not read_json(folder.facts).get("steps", -1) >= recipe.training.get("max_steps", -1) > 0:
        return None
    print(f"the run in {folder.path} is finished; replace it with --overwrite, or raise training.max_steps.")
    return TrainedRun(folder.path, read_json(folder.metrics))


def open_folder(
    folder: RunFolder, arguments: BaseTrainingArguments, *, resume: str | None, overwrite: bool
) -> Path | None:
    """Claim the run's folder; the checkpoint to go on from, where there is one.

    From here on all processes are joined; the first one alone writes.
    """
    with arguments.main_process_first(desc="preparing the run folder"):
        if arguments.should_save:
            folder.prepare(resume=resume is not None, overwrite=overwrite)
    return find_checkpoint(folder, resume)
