"""`Trainer` that goes on exactly where it was stopped, however it was stopped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.utils.data import DataLoader, Dataset
from transformers import trainer as transformers_trainer
from transformers.trainer_utils import set_seed

from heygen_hf.data.loading import ClipLoader
from heygen_hf.training.checkpoints.callbacks import EvaluationInterruptedError, InterruptEvaluation
from heygen_hf.training.checkpoints.files import (
    check_same_architecture,
    checkpoint_problem,
    newest_checkpoint,
    tidy_checkpoints,
)
from heygen_hf.training.checkpoints.preemption import Preempted, StopRequest, outlive_preemption, say
from heygen_hf.training.checkpoints.progress import Progress
from heygen_hf.training.checkpoints.saving import EMA_FILE, SavingTrainer


class CheckpointingTrainer(SavingTrainer):
    """Checkpoints are whole or absent, the last good one survives a kill during a save, and none holds objects.

    A resumed run is the run that was never stopped, bit for bit: weights, average, optimiser, schedule, scaler, random
    states, the place in the data and the sums of what is logged go on where they were, and nothing is replayed. On
    another number of processes it goes on where as many samples make a step; what a model draws from the global random
    state (dropout) is another draw then.

    SIGTERM and SIGUSR1 save at the end of the step and raise [`Preempted`]. An evaluation that they interrupt is made
    up for on resume.
    """

    _largest_batch_size: int
    _resumed: Progress | None = None
    _random_state_is_loaded = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.stop_request = StopRequest()
        self._interruption = InterruptEvaluation(self.stop_request)
        self.add_callback(self._interruption)

    def train(self, resume_from_checkpoint: str | bool | None = None, *args: Any, **kwargs: Any) -> Any:
        root = Path(self.args.output_dir)
        if self.args.should_save:
            tidy_checkpoints(root)
        self.accelerator.wait_for_everyone()
        if resume_from_checkpoint is True:
            resume_from_checkpoint = self._from_first_process(lambda: _newest(root))
        with self.stop_request:
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def _from_first_process(self, find: Callable[[], Any]) -> Any:
        """What the first process finds, or its `ValueError`, in all of them."""
        found: list[Any] = [None]
        if self.accelerator.is_main_process:
            try:
                found = [find()]
            except ValueError as error:
                found = [error]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(found)
        if isinstance(found[0], ValueError):
            raise found[0]
        return found[0]

    def get_eval_dataloader(self, eval_dataset: Dataset | str | None = None) -> DataLoader:
        loader = super().get_eval_dataloader(eval_dataset)
        if loader.num_workers:
            loader.worker_init_fn = outlive_preemption
        return loader

    # Loading.

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        checkpoint = Path(resume_from_checkpoint)
        problem = self._from_first_process(lambda: checkpoint_problem(checkpoint))
        if problem is not None:
            raise ValueError(f"cannot resume from {checkpoint.name}: {problem}.")
        check_same_architecture(checkpoint, self.model.config)
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.ema is not None:
            self.ema.load(checkpoint / EMA_FILE)

    def _load_best_model(self) -> None:
        """The best checkpoint's weights, and its average with them."""
        super()._load_best_model()
        if self.ema is not None:
            self.ema.load(Path(self.state.best_model_checkpoint) / EMA_FILE)

    def _init_training_state(self, *args: Any) -> tuple[int, int]:
        """Where to go on: also in the data, which is not read up to there."""
        *_, resume_from_checkpoint, trial = args
        self._resumed, self._random_state_is_loaded = None, False
        if resume_from_checkpoint is None:
            return super()._init_training_state(*args)
        checkpoint, root = Path(resume_from_checkpoint), Path(self._get_output_dir(trial))
        self._resumed = Progress.load(checkpoint)
        if self._resumed is not None:
            self._check_steps(self._resumed, checkpoint.name)
        epoch, batch = super()._init_training_state(*args)
        self._find_best(root)
        if self._loader is not None:
            self._go_to(epoch, batch, checkpoint.name)
        if checkpoint.resolve().parent == root.resolve():
            self._drop_oldest(root, newest=checkpoint)  # where a kill came before this
        return epoch, batch

    def _check_steps(self, progress: Progress, name: str) -> None:
        progress.check_steps_are_those_of(
            processes=self.accelerator.num_processes,
            batch_size=self._largest_batch_size,
            accumulation_steps=self.args.gradient_accumulation_steps,
            name=name,
        )

    def _go_to(self, epoch: int, batch: int, name: str) -> None:
        assert self._loader is not None
        self._loader.go_to(epoch=epoch, batch=batch)
        if self._resumed is None or self._resumed.data is None:
            return
        try:
            self._loader.load_state_dict(self._resumed.data)
        except ValueError as error:
            raise ValueError(f"cannot resume from {name}: {error}.") from error

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None or self._random_state_is_loaded:
            return
        self._random_state_is_loaded = True
        processes = self.accelerator.num_processes
        if self._resumed is None or self._resumed.processes == processes:
            super()._load_rng_state(checkpoint)
            return
        # There is no state for these processes: neither that of the start nor one for all of them.
        step, rank = self.state.global_step, self.accelerator.process_index
        set_seed((self.args.seed * 1_000_003 + step * 1_009 + rank) % 2**32)
        if rank == 0:
            say(
                f"going on with {processes} processes instead of {self._resumed.processes}: the same samples and noise "
                "make each step; rounding differs, and so does what dropout drops."
            )

    def _restore_sums(self, progress: Progress) -> None:
        loss, others = progress.of_process(self.accelerator.process_index, self.accelerator.num_processes)
        self._tr_loss = torch.full_like(self._tr_loss, loss)
        self._total_loss_scalar = progress.loss_of_logged
        self._globalstep_last_logged = progress.last_logged_step
        self.replaced_clips = {**progress.replaced_clips, **self.replaced_clips}
        self.restore_sums(others)

    def restore_sums(self, sums: dict[str, Any]) -> None:
        """Take up what `sums_since_logged` gave."""

    # The loop.

    def _run_epoch(self, **loop: Any) -> None:
        if self._resumed is not None and loop["epoch"] == loop["epochs_trained"]:
            self._restore_sums(self._resumed)
            self._make_up_for(self._resumed, loop)
        # Trainer takes one step more from a checkpoint that has them all.
        if self.state.global_step >= self.state.max_steps > 0:
            self.control.should_training_stop = True
            return
        with _loaders_that_stand_in_their_place():
            super()._run_epoch(**loop)

    def _make_up_for(self, progress: Progress, loop: dict[str, Any]) -> None:
        """Do what a stop kept from being done after the checkpoint's step: its evaluation, the end of its epoch."""
        ended = loop["steps_trained_in_current_epoch"] == 0 or self.state.global_step >= self.state.max_steps
        options = {name: loop[name] for name in ("model", "trial", "ignore_keys_for_eval", "start_time")}
        self._epoch_end.has_ended = progress.epoch_has_ended
        if progress.evaluation_is_due:
            self._load_rng_state(loop["resume_from_checkpoint"])
            self.control.should_evaluate = self.control.should_save = True
            self._maybe_log_save_evaluate(self._tr_loss, None, epoch=loop["epoch"], **options)
        if ended and not progress.epoch_has_ended:
            self._load_rng_state(loop["resume_from_checkpoint"])
            self.control = self.callback_handler.on_epoch_end(self.args, self.state, self.control)
            self._maybe_log_save_evaluate(self._tr_loss, None, epoch=loop["epoch"], **options)
        self._epoch_end.has_ended = False

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

    def _leave(self, signum: int) -> NoReturn:
        stop = Preempted(signum, step=self.state.global_step)
        if self.is_world_process_zero():
            bar = "" if self.args.disable_tqdm else "\n"  # it ends without a line break
            say(f"{bar}preempted by {stop.signal_name} at step {stop.step}; continue with --resume auto")
        raise stop

    def _finalize_training(self, *args: Any, **kwargs: Any) -> Any:
        output = super()._finalize_training(*args, **kwargs)
        return output._replace(training_loss=output.metrics["train_loss"])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "train_loss" in logs:
            # Trainer divides by the steps since it was resumed; the sum is that of the whole run.
            logs["train_loss"] = self._total_loss_scalar / max(self.state.global_step, 1)
        super().log(logs, start_time)


@contextmanager
def _loaders_that_stand_in_their_place() -> Iterator[None]:
    """Within it, Trainer takes a `ClipLoader` as it stands. By itself it would read the row numbers of all batches
    before, through a plain loader that knows no position, so that the next checkpoint had none."""
    skip = transformers_trainer.skip_first_batches

    def stay(loader: Any, count: int = 0) -> Any:
        return loader if isinstance(loader, ClipLoader) else skip(loader, count)

    transformers_trainer.skip_first_batches = stay
    try:
        yield
    finally:
        transformers_trainer.skip_first_batches = skip


def _newest(root: Path) -> str:
    checkpoint, warnings = newest_checkpoint(root)
    for warning in warnings:
        print(f"warning: {warning}")
    if checkpoint is None:
        raise ValueError(f"there is no whole checkpoint in {root}; train without resume_from_checkpoint=True.")
    return str(checkpoint)
