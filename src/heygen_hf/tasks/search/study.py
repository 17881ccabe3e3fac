"""The study: optuna's record of the trials, shared by every process that searches and kept over kills."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from filelock import FileLock

from heygen_hf._optional import require
from heygen_hf.tasks.search.folder import SearchFolder
from heygen_hf.tasks.search_section import SearchSection

STUDY_NAME = "search"
# Attributes of a trial.
FAILURE, PROCESS = "failure", "process"
# Of the study: how many processes have searched.
_JOINED = "processes_joined"
# Failures that say nothing of the trial's values; it is tried again.
CUT_OFF = ("killed", "interrupted")


def open_storage(folder: SearchFolder) -> Any:
    """The data base, which several processes may write to."""
    optuna = require("optuna")
    engine = {"connect_args": {"timeout": 60}}
    return optuna.storages.RDBStorage(f"sqlite:///{folder.study}", engine_kwargs=engine)


def study_options(section: SearchSection, *, storage: Any, seed: int, report_every: int) -> dict[str, Any]:
    """Keywords of `optuna.create_study`, and so of `Trainer.hyperparameter_search`.

    Args:
        report_every: steps between two evaluations of a trial.
    """
    optuna = require("optuna")
    samplers = {
        "tpe": lambda: optuna.samplers.TPESampler(seed=seed, n_startup_trials=5),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    pruners = {
        "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=4, interval_steps=report_every),
        "none": optuna.pruners.NopPruner,
    }
    return {
        "storage": storage,
        "study_name": STUDY_NAME,
        "load_if_exists": True,
        "sampler": samplers[section.sampler](),
        "pruner": pruners[section.pruner](),
    }


def take_number(study: Any) -> int:
    """Which of the processes that ever searched here this one is, from 0; within the folder's `entrance`."""
    number = study.user_attrs.get(_JOINED, 0)
    study.set_user_attr(_JOINED, number + 1)
    return int(number)


def running_elsewhere(trials: Sequence[Any], folder: SearchFolder, *, own: str) -> list[Any]:
    """Trials that another process is at.

    Args:
        own: this process's name.
    """
    alive = folder.alive() - {own}
    # One that has just begun has no process written down yet.
    return [
        trial
        for trial in trials
        if trial.state.name == "RUNNING" and alive and trial.user_attrs.get(PROCESS, None) in (*alive, None)
    ]


def finished_trials(trials: Sequence[Any]) -> list[Any]:
    """Those that count: completed, pruned or failed, and not cut off by a kill."""
    return [trial for trial in trials if trial.state.is_finished() and trial.user_attrs.get(FAILURE) not in CUT_OFF]


@contextmanager
def joined(folder: SearchFolder) -> Iterator[str]:
    """Within the context this process is known to the others as searching; yields its name."""
    folder.processes.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex[:12]
    path = folder.processes / f"{name}.lock"
    with FileLock(path):
        try:
            yield name
        finally:
            path.unlink(missing_ok=True)


def retry_trials_of_the_dead(study: Any, folder: SearchFolder, *, own: str) -> int:
    """Trials whose process is gone: failed, and their values queued again. Returns how many.

    Args:
        own: this process's name.
    """
    state = require("optuna").trial.TrialState
    alive = folder.alive() | {own}
    retried = 0
    for trial in study.get_trials(deepcopy=False, states=(state.RUNNING,)):
        process = trial.user_attrs.get(PROCESS)
        # One that has just begun elsewhere has no process written down yet.
        if process in alive or (process is None and alive != {own}):
            continue
        study._storage.set_trial_user_attr(trial._trial_id, FAILURE, "killed")
        study.tell(trial.number, state=state.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
        retried += 1
    return retried
