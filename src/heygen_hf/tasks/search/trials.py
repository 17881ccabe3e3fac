"""`Trainer.hyperparameter_search` over whole trainers: each trial's is built from the trial."""

import gc
import math
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from heygen_hf._optional import require
from heygen_hf.tasks.bare_training import BareTraining, bare_training
from heygen_hf.tasks.recipe import Recipe, resolved_yaml
from heygen_hf.tasks.recipe_values import nearest_of
from heygen_hf.tasks.run_folder import write_text
from heygen_hf.tasks.search.folder import SearchFolder
from heygen_hf.tasks.search.space import trial_recipe
from heygen_hf.tasks.search.study import FAILURE, PROCESS
from heygen_hf.training import BaseTrainer, JsonLinesLog
from heygen_hf.training.checkpoints.preemption import Preempted


class TrialTrainer(Trainer):
    """What `Trainer.hyperparameter_search` drives: its `train(trial=…)` builds the trainer of that trial and trains it.

    A trainer of this package settles on its model when it is built (the average of the weights, the objective, compiled
    blocks), and a trial may change the architecture, the data or the optimiser: so each has a trainer of its own.

    Args:
        recipe: that is searched.
        training: its data.
        folder: of the search.
        process: this process's name, see `joined`.
        on_trial_end: called after each trial.
    """

    def __init__(
        self,
        recipe: Recipe,
        training: BareTraining,
        *,
        args: TrainingArguments,
        folder: SearchFolder,
        process: str,
        on_trial_end: Callable[[Any], None],
    ) -> None:
        # `hyperparameter_search` wants a `model_init`, and calls it once before there is a trial.
        super().__init__(model_init=lambda: nn.Linear(1, 1), args=args, eval_dataset=[])
        self.recipe, self.training, self.folder = recipe, training, folder
        self.process, self.on_trial_end = process, on_trial_end

    def train(self, resume_from_checkpoint: str | None = None, trial: Any = None, **options: Any) -> None:  # noqa: ARG002
        """Train one trial; `objective` is its figure. A failure is kept with the trial and raised."""
        trial.set_user_attr(PROCESS, self.process)
        # Of a trial that failed the error held the whole trainer until now: until then nothing could be freed.
        _free_memory()
        started = time.perf_counter()
        try:
            self._train(trial)
        except require("optuna").TrialPruned:
            raise
        except (Exception, KeyboardInterrupt) as error:
            interrupted = isinstance(error, KeyboardInterrupt)
            line = "interrupted" if interrupted else " ".join(str(error).split()) or type(error).__name__
            trial.set_user_attr(FAILURE, line)
            if interrupted and trial.params:
                trial.study.enqueue_trial(trial.params)
            raise
        finally:
            trial.set_user_attr("seconds", round(time.perf_counter() - started, 1))
            if not isinstance(sys.exc_info()[1], Preempted):  # that has been said
                self.on_trial_end(trial)

    def _train(self, trial: Any) -> None:
        recipe = trial_recipe(self.recipe, self.hp_space(trial))
        folder = self.folder.trial(trial.number)
        write_text(folder.recipe, resolved_yaml(recipe))
        training = self.training if self.training.serves(recipe) else bare_training(recipe)
        report = ReportToTrial(trial, self.compute_objective)
        trainer = training.build_trainer(recipe, folder, callbacks=[JsonLinesLog(folder.log), report])
        trainer.remove_callback(PrinterCallback)
        trainer.can_be_resumed = False
        trial.set_user_attr("num_parameters", sum(weight.numel() for weight in trainer.model.parameters()))
        try:
            trainer.train()
        finally:
            shutil.rmtree(folder.checkpoints, ignore_errors=True)  # a preempted trial saves, and starts anew
        if report.step != trainer.state.global_step:
            trainer.evaluate()
        self.objective = report.objective


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class ReportToTrial(TrainerCallback):
    """Reports every evaluation to optuna, and ends a trial that optuna gives up."""

    def __init__(self, trial: Any, compute_objective: Callable[[dict[str, float]], float]) -> None:
        self.trial, self.compute_objective = trial, compute_objective
        self.step, self.objective = 0, math.nan

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        metrics: dict[str, float] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        self.step, self.objective = state.global_step, self.compute_objective(metrics or {})
        self.trial.set_user_attr("steps", self.step)
        if not math.isfinite(self.objective):
            raise ValueError(f"the metric is {self.objective} at step {self.step}")
        self.trial.report(self.objective, self.step)
        if self.step < state.max_steps and self.trial.should_prune():
            raise require("optuna").TrialPruned


def reader_of(metric: str) -> Callable[[Mapping[str, float]], float]:
    """What is compared, out of an evaluation's figures."""

    def read(metrics: Mapping[str, float]) -> float:
        if metric not in metrics:
            raise ValueError(f"search.metric={metric} does not exist; {_which_there_are(metric, metrics)}")
        return float(metrics[metric])

    return read


def check_metric(trainer: BaseTrainer, metric: str) -> None:
    """Evaluate once, untrained, to see that the metric is there; every trainer has a validation loss.

    Raises:
        ValueError: it is not; names the nearest.
    """
    if metric != "eval_loss":
        trainer.remove_callback(PrinterCallback)
        reader_of(metric)(trainer.evaluate())


def _which_there_are(metric: str, metrics: Mapping[str, float]) -> str:
    speed = ("_runtime", "_per_second")
    known = sorted(name for name in metrics if name.startswith("eval_") and not name.endswith(speed))
    nearest = nearest_of(metric, known)
    return f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
