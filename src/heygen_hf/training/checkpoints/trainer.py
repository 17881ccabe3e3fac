"""`Trainer` with checkpoints that survive a kill, and the averaged weights in them."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn
from transformers import Trainer
from transformers.trainer_utils import rotate_checkpoints

from heygen_hf.training.checkpoints.files import (
    STAGING,
    check_same_architecture,
    checkpoint_problem,
    publish_checkpoint,
)
from heygen_hf.training.monitoring.throughput import ThroughputMeter
from heygen_hf.training.optimization.ema import ExponentialMovingAverage

EMA_FILE = "ema.safetensors"


class CheckpointingTrainer(Trainer):
    """Checkpoints are complete or absent, the last good one survives a kill during a save, and none holds objects.

    Attributes:
        ema: saved and loaded with the weights, where there is one.
        throughput: does not count the time of a save.
    """

    ema: ExponentialMovingAverage | None
    throughput: ThroughputMeter
    _checkpoint_root: str | None = None

    def _get_output_dir(self, trial: Any) -> str:
        return self._checkpoint_root or super()._get_output_dir(trial)

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Trainer's checkpoint and the EMA, written beside the others and renamed when whole."""
        root = Path(super()._get_output_dir(trial))
        name = f"checkpoint-{self.state.global_step}"
        staging = root / STAGING
        with self.throughput.paused():
            if self.state.best_global_step:
                self.state.best_model_checkpoint = str(root / f"checkpoint-{self.state.best_global_step}")
            self._checkpoint_root = str(staging)
            try:
                if self.args.should_save and staging.exists():
                    # Of a save that a kill interrupted.
                    shutil.rmtree(staging)
                self.accelerator.wait_for_everyone()
                super()._save_checkpoint(model, trial)
                self._checkpoint_root = None
                self.accelerator.wait_for_everyone()
                if self.args.should_save:
                    self._finish_checkpoint(staging / name, root / name)
            # A full disk is an OSError to us, a RuntimeError to torch and an error of its own to safetensors.
            except (OSError, RuntimeError, SafetensorError) as error:
                raise ValueError(
                    f"saving {name} failed ({error}); the previous checkpoint is untouched. Free some space, then "
                    "continue with --resume auto."
                ) from error
            finally:
                self._checkpoint_root = None
            if self.args.should_save:
                rotate_checkpoints(
                    output_dir=str(root),
                    save_total_limit=self.args.save_total_limit,
                    best_model_checkpoint=self.state.best_model_checkpoint,
                    use_mtime=False,
                )
            self.accelerator.wait_for_everyone()

    def _finish_checkpoint(self, staged: Path, final: Path) -> None:
        if self.ema is not None:
            self.ema.save(staged / EMA_FILE)
        # Trainer pickles its arguments; a checkpoint of ours holds no pickle that is read back as objects.
        (staged / "training_args.bin").unlink(missing_ok=True)
        (staged / "training_args.json").write_text(json.dumps(self.args.to_sanitized_dict(), indent=1))
        publish_checkpoint(staged, final)
        staged.parent.rmdir()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        problem = checkpoint_problem(Path(resume_from_checkpoint))
        if problem is not None:
            raise ValueError(f"cannot resume from {os.path.basename(resume_from_checkpoint)}: {problem}.")
        check_same_architecture(Path(resume_from_checkpoint), self.model.config)
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        if self.ema is not None:
            self.ema.load(Path(resume_from_checkpoint) / EMA_FILE)

    def _run_epoch(self, **options: Any) -> None:
        # Trainer takes one step more from a checkpoint that has them all.
        if self.state.global_step >= self.state.max_steps > 0:
            self.control.should_training_stop = True
            return
        super()._run_epoch(**options)

    def _load_best_model(self) -> None:
        """The best checkpoint's weights, and its average with them."""
        super()._load_best_model()
        if self.ema is not None:
            self.ema.load(Path(self.state.best_model_checkpoint) / EMA_FILE)
