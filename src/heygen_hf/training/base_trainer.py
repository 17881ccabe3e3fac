"""What every trainer here does: data in an order of its own, averaged weights, checkpoints that survive a kill."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import nn
from torch.utils.data import DataLoader

from heygen_hf.data.loading import ClipLoader
from heygen_hf.training.base_arguments import BaseTrainingArguments
from heygen_hf.training.data_epoch import SetDataEpoch
from heygen_hf.training.loaders import build_loader
from heygen_hf.training.monitoring.trainer import MonitoredTrainer
from heygen_hf.training.noise.randomness import positions_in_global_batch
from heygen_hf.training.optimization.block_compilation import compile_blocks
from heygen_hf.training.optimization.build import build_optimizer, build_schedule
from heygen_hf.training.optimization.ema import ExponentialMovingAverage
from heygen_hf.training.optimization.update_average import UpdateAverage
from heygen_hf.training.parallel.process_group import leave_at_exit


class BaseTrainer(MonitoredTrainer):
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
        self._loader = self._build_loader(
            self.train_dataset,
            batch_size=self.args.per_device_train_batch_size,
            collate=self.data_collator,
            for_training=True,
        )
        return self._loader

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
        # Also the data set's: on resume Trainer wraps the loader in a plain one that skips batches.
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
        positions = positions_in_global_batch(
            batch_size=batch_size,
            nominal_batch_size=self._largest_batch_size,
            micro_step=self._micro_step,
            rank=self.accelerator.process_index,
            world_size=self.accelerator.num_processes,
        )
        self._micro_step += 1
        return positions

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
        self.throughput.reset()
        output = super().train(*args, **kwargs)
        if self.accelerator.num_processes > 1:  # the first one writes the records
            for replaced in gather_object([self.replaced_clips]):
                self.replaced_clips = {**replaced, **self.replaced_clips}
        return output

    # Evaluation with the averaged weights.

    @contextmanager
    def ema_weights(self) -> Iterator[None]:
        """Within the context the model holds the EMA weights (its own when there is no EMA)."""
        with self.ema.applied() if self.ema is not None else nullcontext():
            yield

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        with self.throughput.paused(), self.ema_weights():
            return super().evaluate(*args, **kwargs)
