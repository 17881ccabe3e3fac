"""`Trainer` that goes on exactly where it was stopped, however it was stopped."""

from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from heygen_hf.training.checkpoints.callbacks import EvaluationInterruptedError, InterruptEvaluation
from heygen_hf.training.checkpoints.files import newest_checkpoint, tidy_checkpoints
from heygen_hf.training.checkpoints.lock import only_writer
from heygen_hf.training.checkpoints.preemption import Preempted, StopRequest, outlive_preemption, say
from heygen_hf.training.checkpoints.progress import Progress
from heygen_hf.training.checkpoints.resuming import ResumingTrainer, loaders_that_stand_in_their_place


class CheckpointingTrainer(ResumingTrainer):
    """Checkpoints are whole or absent, the last good one survives a kill during a save, and none holds objects.

    A resumed run is the run that was never stopped, bit for bit: weights, average, optimiser, schedule, scaler, random
    states, the place in the data, what callbacks have counted and the sums of what is logged go on where they were, and
    nothing is replayed. Checkpoints of later steps in the same folder are of a branch that is left: they are deleted.
    On another number of processes it goes on where as many samples make a step; what a model draws from the global
    random state (dropout) is another draw then.

    SIGTERM and SIGUSR1 save at the end of the step and raise [`Preempted`]. An evaluation that they interrupt is made
    up for on resume. Two processes do not train in one folder.
    """

    _is_taken_up = True
    _ignored_for_eval: list[str] | None = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stop_request = StopRequest()
        self._interruption = InterruptEvaluation(self.stop_request)
        self.add_callback(self._interruption)

    def train(
        self,
        resume_from_checkpoint: str | bool | None = None,
        trial: Any = None,
        ignore_keys_for_eval: list[str] | None = None,
    ) -> Any:
        root = Path(self.args.output_dir)
        self._evaluation_is_due = self._evaluation_has_ended_it = False
        self._ignored_for_eval = ignore_keys_for_eval
        with ExitStack() as alone, self.stop_request:
            self._from_first_process(lambda: _enter(root, alone))
            if self.args.should_save:
                tidy_checkpoints(root)
            self.accelerator.wait_for_everyone()
            if resume_from_checkpoint is True:
                resume_from_checkpoint = self._from_first_process(lambda: _newest(root))
            if resume_from_checkpoint:
                self._check_can_go_on_from(Path(resume_from_checkpoint))
            self._is_taken_up = not resume_from_checkpoint
            output = super().train(resume_from_checkpoint, trial, ignore_keys_for_eval)
            signum = self.stop_request.agreed()
        if signum:  # it came behind the last step
            self._leave(signum)
        return output

    def get_eval_dataloader(self, eval_dataset: Dataset | str | None = None) -> DataLoader:
        loader = super().get_eval_dataloader(eval_dataset)
        if loader.num_workers:
            loader.worker_init_fn = outlive_preemption
        return loader

    # The loop.

    def _run_epoch(self, **loop: Any) -> None:
        self._take_up(at_epochs_start=loop["steps_trained_in_current_epoch"] == 0)
        # Trainer takes one step more from a checkpoint that has them all.
        if self.control.should_training_stop or self.state.global_step >= self.state.max_steps > 0:
            self.control.should_training_stop = True
            return
        with loaders_that_stand_in_their_place():
            super()._run_epoch(**loop)

    def _take_up(self, *, at_epochs_start: bool) -> None:
        """Once, behind `on_train_begin`: the sums so far, and what a stop kept from being done."""
        if self._is_taken_up:
            return
        self._is_taken_up = True
        progress = self._resumed
        if progress is None:
            return
        self._restore_sums(progress)
        if progress.evaluation_has_ended_it and self.state.max_steps <= progress.max_steps:
            self.control.should_training_stop = self._evaluation_has_ended_it = True
            if self.is_world_process_zero():
                say(f"the training was ended early at step {self.state.global_step}; raise training.max_steps to go on")
        has_all = self.state.global_step >= self.state.max_steps
        self._make_up_for(progress, epoch_is_over=at_epochs_start or has_all)

    def _make_up_for(self, progress: Progress, *, epoch_is_over: bool) -> None:
        """Do what came after the checkpoint's step: its evaluation, the end of its epoch."""
        self._epoch_end.has_ended = progress.epoch_has_ended
        if progress.evaluation_is_due:
            self.control.should_evaluate = self.control.should_save = True
            self._log_save_evaluate_in_place()
        if (epoch_is_over or self.control.should_training_stop) and not progress.epoch_has_ended:
            self._load_rng_state(str(self._resumed_from))
            self.control = self.callback_handler.on_epoch_end(self.args, self.state, self.control)
            self._log_save_evaluate_in_place()
        self._epoch_end.has_ended = False

    def _log_save_evaluate_in_place(self) -> None:
        self._load_rng_state(str(self._resumed_from))
        self._maybe_log_save_evaluate(
            self._tr_loss,
            None,
            self.model_wrapped,
            None,
            epoch=self.state.epoch,
            ignore_keys_for_eval=self._ignored_for_eval,
            start_time=None,
        )

    def _maybe_log_save_evaluate(
        self, tr_loss: torch.Tensor, grad_norm: Any, model: nn.Module, trial: Any, *args: Any, **kwargs: Any
    ) -> None:
        """Trainer's; where the program was told to stop, a checkpoint in place of the evaluation, and the end."""
        signum = self.stop_request.agreed()
        if signum:
            self._evaluation_is_due = self.control.should_evaluate
            self.control.should_evaluate, self.control.should_save = False, True
        self._interruption.is_armed = True
        try:
            super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, *args, **kwargs)
        except EvaluationInterruptedError:
            self._evaluation_is_due = True
            self._save_checkpoint(model, trial)
            self._leave(self.stop_request.agreed())
        finally:
            self._interruption.is_armed = False
        if signum:
            self._leave(signum)

    def _evaluate(self, trial: Any, ignore_keys_for_eval: Any, skip_scheduler: bool = False) -> dict[str, float]:
        # Trainer skips the schedule in the evaluation of `eval_on_start` alone, which a resumed run has behind it.
        if skip_scheduler and self.state.global_step:
            return {}
        was_stopping = self.control.should_training_stop
        metrics = super()._evaluate(trial, ignore_keys_for_eval, skip_scheduler)
        self._evaluation_has_ended_it |= self.control.should_training_stop and not was_stopping
        return metrics

    def _leave(self, signum: int) -> NoReturn:
        stop = Preempted(signum, step=self.state.global_step)
        if self.is_world_process_zero():
            bar = "" if self.args.disable_tqdm else "\n"  # it ends without a line break
            say(f"{bar}preempted by {stop.signal_name} at step {stop.step}; continue with --resume auto")
        raise stop

    def _finalize_training(self, *args: Any, **kwargs: Any) -> Any:
        self._take_up(at_epochs_start=True)  # from the last step of the last epoch: Trainer runs no epoch at all
        no_best = self.args.load_best_model_at_end and self.state.best_model_checkpoint is None
        if no_best and self.is_world_process_zero():
            say("no best step was saved: the last weights stay in place of the best.")
        output = super()._finalize_training(*args, **kwargs)
        return output._replace(training_loss=output.metrics["train_loss"])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "train_loss" in logs:
            # Trainer divides by the steps since it was resumed; the sum is that of the whole run, if it is known.
            since = self._initial_global_step if self._resumed is None else 0
            logs["train_loss"] = self._total_loss_scalar / max(self.state.global_step - since, 1)
        super().log(logs, start_time)


def _enter(root: Path, alone: ExitStack) -> None:
    """Be the only process in a run's checkpoints until `alone` is closed."""
    with suppress(OSError):  # a save will say so, if there is one
        root.mkdir(parents=True, exist_ok=True)
    alone.enter_context(only_writer(root))


def _newest(root: Path) -> str:
    checkpoint, warnings = newest_checkpoint(root)
    for warning in warnings:
        print(f"warning: {warning}")
    if checkpoint is None:
        raise ValueError(f"there is no whole checkpoint in {root}; train without resume_from_checkpoint=True.")
    return str(checkpoint)
