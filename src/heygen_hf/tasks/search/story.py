"""A search, from a recipe's `search` section to the recipe of its best trial.

Check → study → data → trials → table, plot and best recipe.
"""

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from heygen_hf._optional import require
from heygen_hf.tasks.bare_training import bare_training
from heygen_hf.tasks.local_models import check_local_models
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.registry import task_module
from heygen_hf.tasks.run_folder import no_empty_folder_left
from heygen_hf.tasks.search.folder import SearchFolder
from heygen_hf.tasks.search.plots import draw_search
from heygen_hf.tasks.search.results import best_row, print_results, rows_of, write_results
from heygen_hf.tasks.search.space import check_space, steps_of, suggest, trial_recipe
from heygen_hf.tasks.search.study import (
    FAILURE,
    STUDY_NAME,
    finished_trials,
    joined,
    open_storage,
    retry_trials_of_the_dead,
    running_elsewhere,
    study_options,
    take_number,
)
from heygen_hf.tasks.search.trials import TrialTrainer, check_metric, reader_of


def search_recipe(
    path: str | Path,
    overrides: Sequence[str] = (),
    *,
    trials: int = 20,
    resume: str | None = None,
    overwrite: bool = False,
    output: str | Path | None = None,
) -> Path:
    """Search what the recipe's `search` section spans, by `Trainer.hyperparameter_search` with optuna.

    Args:
        path: a YAML recipe with a `search` section.
        overrides: `section.key=value` laid over it.
        trials: in all; those of a search that is resumed, and of other processes, count.
        resume: "auto" goes on with the search in the folder, where there is one; several processes started so share it.
        overwrite: replace it.
        output: the search's folder; by default the recipe's `output_dir` with `_search` behind.

    Returns:
        The folder.

    Raises:
        ValueError: nothing to search, or no trial completed.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    if resume not in (None, "none", "auto"):
        raise ValueError(f"resume must be auto or none, got {resume!r}: a search goes on in its own folder")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "a search trains each trial in one process: start heygen-hf search several times with --resume auto, "
            "and they share the trials."
        )
    optuna = require("optuna")
    recipe = load_recipe(path, overrides)
    check_local_models(recipe)
    checker = getattr(task_module(recipe.task), "check_recipe", lambda _: None)
    for remark in check_space(recipe, check=checker):
        print(f"note: {remark}.")
    steps = steps_of(recipe)
    place = recipe.output_dir.with_name(f"{recipe.output_dir.name}_search") if output is None else Path(output)
    folder = SearchFolder(place)

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("transformers.trainer").setLevel(logging.ERROR)
    with no_empty_folder_left(place), ExitStack() as joining:
        # 1. The folder and the study, by one process at a time.
        with folder.entrance():
            folder.prepare(recipe, resume=resume == "auto", overwrite=overwrite)
            storage = open_storage(folder)
            study = optuna.create_study(
                direction=recipe.search.direction, storage=storage, study_name=STUDY_NAME, load_if_exists=True
            )
            number = take_number(study)
            process = joining.enter_context(joined(folder))

        # 2. Data, and the trainer of the recipe as it stands, which shows that the recipe works.
        try:
            training = bare_training(recipe)
            if not training.has_validation:
                raise ValueError("a search compares trials on validation data; there are none: set data.validation.")
            trainer = training.build_trainer(trial_recipe(recipe, {}), folder.trial(0))
            check_metric(trainer, recipe.search.metric)
            arguments = trainer.args
            del trainer
        except BaseException:
            folder.leave(own=process)
            raise

        options = study_options(
            recipe.search,
            storage=storage,
            # Another draw for each process and for each part of a search that was cut off.
            seed=recipe.seed + number,
            report_every=-(-steps // recipe.search.evaluations),
        )
        retried = retry_trials_of_the_dead(study, folder, own=process)
        if retried:
            print(f"{retried} trials were cut off by a kill and run again.")
        there_are = study.get_trials(deepcopy=False)
        running = running_elsewhere(there_are, folder, own=process)
        missing = trials - len(finished_trials(there_are)) - len(running)

        # 3. Trials.
        if missing <= 0 and running:
            print(f"other processes are at the last {len(running)} of the {trials} trials of the search in {place}.")
        elif missing <= 0:
            print(f"the search in {place} has its {trials} trials; ask for more with --trials.")
        else:
            host = TrialTrainer(
                recipe,
                training,
                args=arguments,
                folder=folder,
                process=process,
                on_trial_end=lambda trial: _stop_when_done(trial, recipe, trials, folder=folder, own=process),
            )
            _search(host, study, recipe, missing, options)

        # 4. What came out.
        rows = rows_of(study.get_trials(deepcopy=False), recipe)
    write_results(folder, rows, recipe)
    print_results(folder, rows, recipe)
    if best_row(rows, recipe) is None and running:
        return place
    if best_row(rows, recipe) is None:
        raise ValueError(f"none of the {len(rows)} trials completed; {folder.path / 'trials.json'} says why.")
    draw_search(folder.path / "plots.png", study, rows, recipe)
    return place


def _search(host: TrialTrainer, study: Any, recipe: Recipe, missing: int, options: dict[str, Any]) -> None:
    minutes = recipe.search.timeout_minutes
    try:
        host.hyperparameter_search(
            hp_space=lambda trial: suggest(trial, recipe.search.space),
            compute_objective=reader_of(recipe.search.metric),
            n_trials=missing,
            direction=recipe.search.direction,
            backend="optuna",
            timeout=None if minutes is None else minutes * 60,
            catch=(Exception,),  # a trial that fails is counted, and the others go on
            **options,
        )
    except ValueError:
        # Transformers asks for the best trial, and there may be none: that is said with the reasons.
        completed = require("optuna").trial.TrialState.COMPLETE
        if any(trial.state == completed for trial in study.get_trials(deepcopy=False)):
            raise


def _stop_when_done(trial: Any, recipe: Recipe, wanted: int, *, folder: SearchFolder, own: str) -> None:
    """Stop where all processes together have the trials that were asked for; this one is about to count."""
    trials = [other for other in trial.study.get_trials(deepcopy=False) if other.number != trial.number]
    if len(finished_trials(trials)) + len(running_elsewhere(trials, folder, own=own)) + 1 >= wanted:
        trial.study.stop()
    said = ", ".join(f"{key.rpartition('.')[2]} {_rounded(value)}" for key, value in trial.params.items())
    now = trial.study._storage.get_trial(trial._trial_id)
    reports, failure = now.intermediate_values, now.user_attrs.get(FAILURE)
    outcome = (
        f"{recipe.search.metric} {reports[max(reports)]:.5g} at step {max(reports)}" if reports else "no evaluation"
    )
    print(f"trial {trial.number}: {outcome if failure is None else f'failed: {failure}'} ({said})", flush=True)


def _rounded(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
