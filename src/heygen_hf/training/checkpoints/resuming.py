"""`Trainer` that takes up what a checkpoint holds, and refuses one that is another run's in one line."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from torch import nn
from transformers import trainer as transformers_trainer
from transformers.trainer_callback import ExportableState, TrainerControl, TrainerState
from transformers.trainer_utils import set_seed

from heygen_hf.data.loading import ClipLoader
from heygen_hf.training.checkpoints.files import check_same_architecture, checkpoint_problem, drop_later
from heygen_hf.training.checkpoints.preemption import say
from heygen_hf.training.checkpoints.progress import Progress
from heygen_hf.training.checkpoints.saving import EMA_FILE, SavingTrainer


class ResumingTrainer(SavingTrainer):
    """The half of [`CheckpointingTrainer`] that loads."""

    _resumed: Progress | None = None
    _resumed_from: Path | None = None
    _random_state_is_loaded = False

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

    def _check_can_go_on_from(self, checkpoint: Path) -> None:
        """Raise a `ValueError` unless it is whole and of such a run, before anything is loaded or deleted."""
        problem = self._from_first_process(lambda: checkpoint_problem(checkpoint))
        if problem is not None:
            raise ValueError(f"cannot resume from {checkpoint.name}: {problem}.")
        check_same_architecture(checkpoint, self.model.config)
        progress, has_average = Progress.load(checkpoint), (checkpoint / EMA_FILE).is_file()
        if progress is not None:
            progress.check_optimizer_is(self._optimizer_name(), name=checkpoint.name)
        if has_average != (self.ema is not None):
            was, now, remedy = (
                ("with an average of the weights", "without", "set training.ema_decay as it was")
                if has_average
                else ("without an average of the weights", "with one", "set training.ema_decay=null")
            )
            raise ValueError(f"{checkpoint.name} is of a run {was}, and this one is {now}: {remedy}, or start anew.")

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.ema is not None:
            self.ema.load(Path(resume_from_checkpoint) / EMA_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        try:
            super()._load_optimizer_and_scheduler(checkpoint)
        except (KeyError, ValueError) as error:
            assert checkpoint is not None
            raise ValueError(
                f"cannot resume from {Path(checkpoint).name}: its optimiser's state does not fit ({error}); set "
                "training.optimizer, and what is trained, as they were."
            ) from error

    def _load_best_model(self) -> None:
        """The best saved checkpoint's weights, and its average with them."""
        best = Path(self.state.best_model_checkpoint)
        if self.state.best_global_step != self._best_saved_step and self.is_world_process_zero():
            say(f"the best step, {self.state.best_global_step}, was not saved; {best.name} is the best that was.")
        super()._load_best_model()
        if self.ema is not None:
            self.ema.load(best / EMA_FILE)

    def _init_training_state(self, *args: Any) -> tuple[int, int]:
        """Where to go on: also in the data, which is not read up to there."""
        *_, resume_from_checkpoint, trial = args
        self._resumed, self._resumed_from, self._random_state_is_loaded = None, None, False
        self._best_saved_step = 0
        if resume_from_checkpoint is None:
            self.restore_sums({})  # those of an earlier training that was broken off
            return super()._init_training_state(*args)
        checkpoint, root = Path(resume_from_checkpoint), Path(self._get_output_dir(trial))
        self._resumed, self._resumed_from = Progress.load(checkpoint), checkpoint
        if self._resumed is not None:
            self._check_steps(self._resumed, checkpoint.name)
            self._best_saved_step = self._resumed.best_saved_step
        epoch, batch = super()._init_training_state(*args)
        self._find_best(root)
        if self._loader is not None:
            self._go_to(epoch, batch, checkpoint.name)
        if checkpoint.resolve().parent == root.resolve():
            self._leave_other_branch(root, checkpoint)
            self._drop_oldest(root, newest=checkpoint)  # where a kill came before this
        return epoch, batch

    def _leave_other_branch(self, root: Path, checkpoint: Path) -> None:
        """Or the next `--resume auto` would go on with what this run is not."""
        if not self.args.should_save:
            return
        dropped = drop_later(root, step=self.state.global_step, held=[checkpoint])
        if dropped:
            say(f"going on from {checkpoint.name}; deleted what came after it: {', '.join(dropped)}")

    def _check_steps(self, progress: Progress, name: str) -> None:
        progress.check_steps_are_those_of(
            processes=self.accelerator.num_processes,
            batch_size=self._largest_batch_size,
            accumulation_steps=self.args.gradient_accumulation_steps,
            name=name,
        )

    def _load_callback_state(self) -> None:
        """What callbacks have counted, such as evaluations without progress; how they are set is for the recipe."""
        saved = self.state.stateful_callbacks
        ours = [callback for callback in self.callback_handler.callbacks if isinstance(callback, ExportableState)]
        # As of a run that starts: Trainer would miss the place of a new callback, and keep that of one left out.
        self.state.stateful_callbacks = TrainerState(stateful_callbacks=[*ours, self.control]).stateful_callbacks
        if not self.args.restore_callback_states_from_checkpoint:
            return
        for name in {type(callback).__name__ for callback in ours} - {TrainerControl.__name__}:
            alike = [callback for callback in ours if type(callback).__name__ == name]
            states = saved.get(name, [])
            states = states if isinstance(states, list) else [states]
            for callback, state in zip(alike, states[-len(alike) :], strict=False):
                for attribute, value in state.get("attributes", {}).items():
                    setattr(callback, attribute, value)

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
        """Take up what `sums_since_logged` gave; nothing, where a training starts."""


@contextmanager
def loaders_that_stand_in_their_place() -> Iterator[None]:
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
