"""`CheckpointingTrainer` that says how the run fares: throughput, waiting, padding, and a loss that is no number."""

from typing import Any

import torch
from torch import nn

from heygen_hf.data.loading import take_problems
from heygen_hf.training.checkpoints.trainer import CheckpointingTrainer
from heygen_hf.training.monitoring.arguments import MonitoringArguments
from heygen_hf.training.monitoring.throughput import ThroughputMeter


class MonitoredTrainer(CheckpointingTrainer):
    """Figures beside every logged loss, clips that were replaced, and a stop with a remedy where the loss is no number.

    Attributes:
        replaced_clips: `{file_name: reason}` of clips that could not be read while training; others took their places.
    """

    args: MonitoringArguments

    def __init__(self, model: nn.Module, args: MonitoringArguments, **options: Any) -> None:
        self.throughput = ThroughputMeter()
        self.replaced_clips: dict[str, str] = {}
        super().__init__(model=model, args=args, **options)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        if not torch.isfinite(loss):
            raise ValueError(
                f"the training loss is {loss.item()} at step {self.state.global_step + 1}: lower the learning rate or "
                "set precision=fp32; the last good checkpoint is kept."
            )
        return loss

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        with self.throughput.waiting():
            batches, num_items = super().get_batch_samples(*args, **kwargs)
        for batch in batches:
            self._report_replaced(take_problems(batch))
            self._count_padding(batch)
        if self._loader is not None:
            self._report_replaced(list(self._loader.problems.items()))
        return batches, num_items

    def _count_padding(self, batch: dict[str, Any]) -> None:
        mask = batch.get("attention_mask")
        if mask is not None and mask.device.type == "cpu":  # a sum on a GPU would wait for it
            self.throughput.add_padding(int(mask.numel() - mask.sum()) * self.accelerator.num_processes)

    def _report_replaced(self, problems: list[tuple[str, str]]) -> None:
        """Name each clip that could not be read, once, when another takes its place."""
        for name, reason in problems:
            if name not in self.replaced_clips:
                self.replaced_clips[name] = reason
                print(f"warning: {name!r} cannot be read any more and another clip takes its place: {reason}")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if "loss" in logs:
            logs.update(self.throughput.read())
        super().log(logs, start_time)
