"""What the arguments of every trainer share."""

from dataclasses import dataclass
from typing import Literal

import torch
from transformers import TrainingArguments

from heygen_hf.training.bfloat16 import supports_bfloat16
from heygen_hf.training.checkpoints.arguments import CheckpointArguments
from heygen_hf.training.monitoring.arguments import MonitoringArguments
from heygen_hf.training.optimization.arguments import OptimizationArguments
from heygen_hf.training.parallel.arguments import ParallelArguments


@dataclass
class BaseTrainingArguments(
    OptimizationArguments, MonitoringArguments, CheckpointArguments, ParallelArguments, TrainingArguments
):
    """`transformers.TrainingArguments` with what every trainer of this package adds.

    Defaults that differ from `TrainingArguments`: `learning_rate` 1e-3, `lr_scheduler_type` cosine, `warmup_steps` 50,
    `logging_steps` 50, `save_steps` and `eval_steps` 500, `eval_strategy` "steps", `save_total_limit` 2, `report_to`
    none, `remove_unused_columns` False, `ddp_find_unused_parameters` False, `data_seed` the seed.

    Args:
        precision: "auto" is bfloat16 where the device multiplies it natively, float32 elsewhere. Sets `bf16`/`fp16`.
        others: see [`OptimizationArguments`], [`MonitoringArguments`], [`CheckpointArguments`], [`ParallelArguments`].
    """

    remove_unused_columns: bool = False

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"

    def __post_init__(self) -> None:
        if torch.accelerator.current_accelerator(check_available=True) is None:
            # Trainer wants to be told: without it bfloat16 is refused on a CPU, and several processes stay strangers.
            self.use_cpu = True
        if self.precision == "fp16" and not torch.cuda.is_available():
            raise ValueError("precision=fp16 needs a GPU; use bf16 or fp32 on this machine.")
        if self.precision != "auto":
            self.bf16, self.fp16 = self.precision == "bf16", self.precision == "fp16"
        elif not self.bf16 and not self.fp16:
            self.bf16 = supports_bfloat16()
        if self.max_steps == 0 or (self.max_steps < 0 and self.num_train_epochs <= 0):
            raise ValueError("the run has zero steps: give max_steps or num_train_epochs above 0.")
        if self.data_seed is None:
            # Otherwise the order of the data hangs on how much randomness was used up before training.
            self.data_seed = self.seed
        super().__post_init__()
