"""What every trainer here does: data in an order of its own, averaged weights, checkpoints that survive a kill."""

from collections.abc import Callable
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.utils.data import DataLoader

from heygen_hf.data.loading import ClipLoader
from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.data_epoch import SetDataEpoch
from heygen_hf.training.debugging.one_batch import RepeatedBatch
from heygen_hf.training.loaders import build_loader
from heygen_hf.training.monitoring.batch_names import names_of_step
from heygen_hf.training.noise.randomness import positions_in_global_batch
from heygen_hf.training.optimization.batch_fitting import BatchFittingTrainer, Piece
from heygen_hf.training.optimization.block_compilation import compile_blocks
from heygen_hf.training.optimization.build import build_optimizer, build_schedule
from heygen_hf.training.optimization.ema import ExponentialMovingAverage
from heygen_hf.training.optimization.heap import keep_freed_memory
from heygen_hf.training.optimization.update_average import UpdateAverage
from heygen_hf.training.parallel.process_group import leave_at_exit


class BaseTrainer(BatchFittingTrainer):
    """`Trainer` with what every objective here wants; an objective's own trainer adds the rest.

    - The order of the data is a function of (seed, epoch), dealt to the processes here and not by Accelerate.
    - EMA weights (`args.ema_decay`), saved beside the raw ones, used by `evaluate` and inside
      `with trainer.ema_weights():`.
    - Muon and schedules in shares of the training, see [`BaseTrainingArguments`].
    - A sample that can no longer be read is replaced, named and kept in `replaced_clips`.
    - Checkpoints are complete or absent; the last good one survives a kill during a save.
    - `samples_per_second`, `tokens_per_second`, `padding_share` and `data_wait_share` beside every logged loss.
    - A loss that is not finite stops the run with a remedy.
    """

    args: BaseTrainingArguments

    def __init__(self, model: nn.Module, args: BaseTrainingArguments, **options: Any) -> None:
        self.ema = None
        self._loader: ClipLoader | None = None
        self._micro_step, self._last_step = 0, -1
        self._repeated: RepeatedBatch | None = None
        if args.n_gpu > 1:
            raise ValueError(
                f"{args.n_gpu} GPUs in one process are not supported: start one process each, with accelerate launch "
                "--config_file recipes/accelerate/multi_gpu.yaml, or show one GPU with CUDA_VISIBLE_DEVICES=0."
            )
        super().__init__(model=model, args=args, **options)
        if self.accelerator.num_processes > 1:
            leave_at_exit()
        self.add_callback(SetDataEpoch(self._set_data_epoch))
        if args.ema_decay is not None:
            self.ema = ExponentialMovingAverage(self.model, decay=args.ema_decay)
            self.add_callback(UpdateAverage(self.ema))
        if args.compiles_blocks:
            compile_blocks(self.model)

    # Data.

    def get_train_dataloader(self) -> DataLoader:
        """Batches in an order of (seed, epoch), dealt to the processes here and not by Accelerate."""
        if self._repeated is not None:
            return self._repeated.loader()
        self._loader = self._build_loader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate=self.data_collator,
            for_training=True,
        )
        return self._loader

    def repeat_first_batch(self) -> None:
        """Train on the first batch in every step, under the first step's noise: does training work at all?"""
        self._repeated = RepeatedBatch(next(iter(self.get_train_dataloader())))

    def _names_of_step(self, step: int) -> list[str]:
        if self._repeated is None:
            return super()._names_of_step(step)
        return names_of_step(self._loader, steps_done=0, accumulation_steps=1)

    @property
    def noise_step(self) -> int:
        """The step that a batch's noise is drawn for."""
        return self.state.global_step if self._repeated is None else 0

    def _build_loader(
        self,
        dataset: Any,
        *,
        batch_size: int,
        collate: Callable[[list[Any]], Any],
        for_training: bool,
        **grouping: Any,
    ) -> ClipLoader:
        return build_loader(
            dataset,
            args=self.args,
            batch_size=batch_size,
            collate=collate,
            process_index=self.accelerator.process_index,
            num_processes=self.accelerator.num_processes,
            for_training=for_training,
            **grouping,
        )

    def _set_data_epoch(self, epoch: int) -> None:
        # Also the data set's, where the loader is of another kind.
        for part in (self._loader, self.train_dataset):
            if hasattr(part, "set_epoch"):
                part.set_epoch(epoch)

    @property
    def global_batch_size(self) -> int:
        """Samples of an optimiser step over all processes."""
        return self._largest_batch_size * self.args.gradient_accumulation_steps * self.accelerator.num_processes

    @property
    def _largest_batch_size(self) -> int:
        """Samples of a process's batch; of the largest one where samples differ in size."""
        if self._loader is None:
            return self.args.per_device_train_batch_size
        return self._loader.batches.largest_batch_size

    def _next_positions(self, batch_size: int) -> list[int]:
        """Where the samples of the next micro-batch stand in the global batch; call it once for each."""
        if self.state.global_step != self._last_step:
            self._last_step, self._micro_step = self.state.global_step, 0
        piece = self._piece or Piece(0, batch_size, batch_size)
        positions = self._positions(piece.whole, micro_step=self._micro_step)
        self._micro_step += 1
        return positions[piece.first : piece.first + batch_size]

    def _expected_next(self, batch_size: int) -> dict[str, Any]:
        """`step` and `positions` of the micro-batch behind the one whose positions were asked for last, if it is as
        large and the step has no fewer micro-batches than others."""
        ends = self._micro_step >= self.args.gradient_accumulation_steps
        positions = self._positions(batch_size, micro_step=0 if ends else self._micro_step)
        return {"step": self.noise_step + (ends and self._repeated is None), "positions": positions}

    def _positions(self, batch_size: int, *, micro_step: int) -> list[int]:
        return positions_in_global_batch(
            batch_size=batch_size,
            nominal_batch_size=self._largest_batch_size,
            micro_step=micro_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )

    # Optimiser and schedule.

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        if self.optimizer is None:
            self.optimizer = build_optimizer(self.model if model is None else model, self.args)
        return self.optimizer or super().create_optimizer(model)

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        if self.lr_scheduler is None:
            optimizer_in_use = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = build_schedule(optimizer_in_use, self.args, num_training_steps=num_training_steps)
        return self.lr_scheduler or super().create_scheduler(num_training_steps, optimizer)

    @property
    def initial_step(self) -> int:
        """The optimiser step at which the last call of `train` started: above 0 when it resumed."""
        return getattr(self, "_initial_global_step", 0)

    def train(self, *args: Any, **kwargs: Any) -> Any:
        if self.args.device.type == "cpu":
            keep_freed_memory()
        self.throughput.reset()
        self._micro_step, self._last_step = 0, -1  # of an earlier training
        output = super().train(*args, **kwargs)
        if self.accelerator.num_processes > 1:  # the first one writes the records
            for replaced in gather_object([self.replaced_clips]):
                self.replaced_clips = {**replaced, **self.replaced_clips}
        return output

    # Evaluation with the averaged weights.

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.throughput.paused(), self.ema_weights():
            return super().evaluate(*args, **kwargs)
