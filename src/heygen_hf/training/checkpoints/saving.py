"""`Trainer` whose checkpoints are whole or absent and hold all that a run is made of."""

import errno
import json
import shutil
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object
from safetensors import SafetensorError
from torch import nn
from transformers.trainer_callback import TrainerState

from heygen_hf.data.loading import ClipLoader
from heygen_hf.training.checkpoints.callbacks import FollowTheEpoch
from heygen_hf.training.checkpoints.files import STAGING, drop_oldest, publish_checkpoint, tidy_checkpoints
from heygen_hf.training.checkpoints.progress import Progress
from heygen_hf.training.monitoring.throughput import ThroughputMeter
from heygen_hf.training.optimization.ema import ExponentialMovingAverage
from heygen_hf.training.parallel.trainer import ParallelTrainer

EMA_FILE = "ema.safetensors"
_STATE_FILE = "trainer_state.json"
_DISK_IS_FULL = {getattr(errno, name, None) for name in ("ENOSPC", "EDQUOT", "EFBIG")}


class SavingTrainer(ParallelTrainer):
    """The half of [`CheckpointingTrainer`] that saves.

    A subclass adds files of its own in `write_own_files`, and sums that it logs as means in `sums_since_logged`.

    Attributes:
        ema: saved with the weights, where there is one.
        throughput: does not count the time of a save.
        replaced_clips: `{file_name: reason}` of clips that could not be read so far.
    """

    ema: ExponentialMovingAverage | None
    throughput: ThroughputMeter
    replaced_clips: dict[str, str]
    _loader: ClipLoader | None
    _largest_batch_size: int
    _checkpoint_root: str | None = None
    _evaluation_is_due = _evaluation_has_ended_it = False
    _best_saved_step = 0

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._epoch_end = FollowTheEpoch()
        self.add_callback(self._epoch_end)

    def _get_output_dir(self, trial: Any) -> str:
        return self._checkpoint_root or super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Trainer's checkpoint and our files, written beside the others and renamed when whole."""
        root = Path(super()._get_output_dir(trial))
        name = f"checkpoint-{self.state.global_step}"
        staging = root / STAGING
        with self.throughput.paused():
            try:
                if self.args.should_save:
                    tidy_checkpoints(root)  # of a save that failed
                self.accelerator.wait_for_everyone()
                self._checkpoint_root = str(staging)
                super()._save_checkpoint(model, trial)
                self._checkpoint_root = None
                self.write_own_files(staging / name)
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    publish_checkpoint(staging / name, root / name)
                    staging.rmdir()
            # A full disk is an OSError to us, a RuntimeError to torch and an error of its own to safetensors.
            except (OSError, RuntimeError, SafetensorError) as error:
                shutil.rmtree(staging, ignore_errors=True)
                remedy = _remedy(error)
                if remedy is None:
                    raise
                raise ValueError(
                    f"saving {name} failed ({error}); the previous checkpoint is untouched. {remedy}, then continue "
                    "with --resume auto."
                ) from error
            finally:
                self._checkpoint_root = None
            self._find_best(root)
            self._drop_oldest(root, newest=root / name)
            self.accelerator.wait_for_everyone()

    def write_own_files(self, staged: Path) -> None:
        """Write what Trainer does not know of into a checkpoint that is being made; called in all processes."""
        progress = self._progress()
        if self.ema is not None:
            self.ema.save(staged / EMA_FILE, write=self.args.should_save)
        if not self.args.should_save:
            return
        progress.save(staged)
        # Trainer pickles its arguments; a checkpoint of ours holds no pickle that is read back as objects.
        (staged / "training_args.bin").unlink(missing_ok=True)
        (staged / "training_args.json").write_text(json.dumps(self.args.to_sanitized_dict(), indent=1))
        # The best checkpoint is known by its step: its path is another one after the rename, and in a moved folder.
        state = TrainerState.load_from_json(str(staged / _STATE_FILE))
        state.best_model_checkpoint = None
        state.save_to_json(str(staged / _STATE_FILE))

    def _progress(self) -> Progress:
        """How far the run is. In all processes: what each has summed up is gathered."""
        of_all = gather_object([(self._tr_loss.item(), self.sums_since_logged(), self.replaced_clips)])
        loader, step = self._loader, self.state.global_step
        return Progress(
            processes=self.accelerator.num_processes,
            batch_size=self._largest_batch_size,
            accumulation_steps=self.args.gradient_accumulation_steps,
            data=None if loader is None else loader.state_dict(),
            last_logged_step=self._globalstep_last_logged,
            loss_since_logged=[loss for loss, _, _ in of_all],
            sums_since_logged=[others for _, others, _ in of_all],
            loss_of_logged=self._total_loss_scalar,
            evaluation_is_due=self._evaluation_is_due,
            epoch_has_ended=self._epoch_end.has_ended,
            replaced_clips={name: reason for _, _, clips in of_all for name, reason in clips.items()},
            # The best step is saved behind its evaluation, or never.
            best_saved_step=step if self.state.best_global_step == step else self._best_saved_step,
            optimizer=self._optimizer_name(),
            max_steps=self.state.max_steps,
            evaluation_has_ended_it=self._evaluation_has_ended_it,
        )

    def _optimizer_name(self) -> str:
        """Whose state is saved. A fused optimiser has the state of one that is not."""
        if getattr(self.args, "optimizer", None) == "muon":
            return "muon"
        return str(getattr(self.args.optim, "value", self.args.optim)).removesuffix("_fused")

    def sums_since_logged(self) -> dict[str, Any]:
        """What this process has summed up for the next log beside the loss: numbers in lists and dictionaries, for
        JSON. A subclass adds its own to `super()`'s, and takes them up again in `restore_sums`."""
        return {}

    def _find_best(self, root: Path) -> None:
        """The best checkpoint there is: that of the best step, or of the best one that was saved."""
        best = self.state.best_global_step
        if best and (root / f"checkpoint-{best}").is_dir():
            self._best_saved_step = best
        folder = root / f"checkpoint-{self._best_saved_step}"
        self.state.best_model_checkpoint = str(folder) if self._best_saved_step and folder.is_dir() else None

    def _drop_oldest(self, root: Path, *, newest: Path) -> None:
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            drop_oldest(root, keep=self.args.save_total_limit, held=[newest, *([Path(best)] if best else [])])

    def _finalize_training(self, *args: Any, **kwargs: Any) -> Any:
        # With save_total_limit=1 Trainer would now delete the last checkpoint beside the best: that of a run that is
        # still to be exported.
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        try:
            return super()._finalize_training(*args, **kwargs)
        finally:
            self.args.save_total_limit = limit


def _remedy(error: Exception) -> str | None:
    """What to do about a save that failed; None where it is no matter of writing."""
    if isinstance(error, OSError):
        return "Free some space" if error.errno in _DISK_IS_FULL else "Mend that"
    of_writing = ("PytorchStreamWriter", "write", "inline_container", "file in archive", "unexpected pos")
    if isinstance(error, SafetensorError) or any(part in str(error) for part in of_writing):
        return "Free some space"
    return None
