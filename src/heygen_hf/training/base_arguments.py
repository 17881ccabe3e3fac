"""What the arguments of every trainer share."""

import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from transformers import TrainingArguments


@dataclass
class BaseTrainingArguments(TrainingArguments):
    """`transformers.TrainingArguments` with what every trainer of this package adds.

    Defaults that differ from `TrainingArguments`: `learning_rate` 1e-3, `lr_scheduler_type` cosine, `warmup_steps` 50,
    `logging_steps` 50, `save_steps` and `eval_steps` 500, `eval_strategy` "steps", `save_total_limit` 2, `report_to`
    none, `remove_unused_columns` False, `ddp_find_unused_parameters` False, `data_seed` the seed.

    Args:
        precision: "auto" is bfloat16 where the device multiplies it natively, float32 elsewhere. Sets `bf16`/`fp16`.
        optimizer: "muon" (matrices of the blocks; AdamW for the rest), or "adamw"/"trainer" for Trainer's own `optim`.
        muon_learning_rate: Muon's learning rate; `learning_rate` is AdamW's.
        muon_momentum: Muon's momentum.
        linear_decay_share: the learning rate is constant after the warm-up and falls linearly to zero over this last
            share of the training; when given, it replaces `lr_scheduler_type`.
        step_schedule_milestones: shares of the training after which the learning rate is multiplied by
            `step_schedule_factor`; when given, they replace `lr_scheduler_type`.
        ema_decay: of the averaged weights that are evaluated and exported; None trains without an average.
        compile_blocks: compile each repeated block ("auto": when a compiler is there and the run has at least
            `MIN_STEPS_TO_COMPILE` steps, fewer do not repay the wait).
    """

    learning_rate: float = 1e-3
    lr_scheduler_type: str = "cosine"
    warmup_steps: float = 50
    logging_steps: float = 50
    save_steps: float = 500
    eval_strategy: str = "steps"
    eval_steps: float | None = 500
    save_total_limit: int | None = 2
    report_to: str | list[str] | None = "none"
    remove_unused_columns: bool = False
    ddp_find_unused_parameters: bool | None = False

    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    optimizer: Literal["muon", "adamw", "trainer"] = "muon"
    muon_learning_rate: float = 2e-3
    muon_momentum: float = 0.95
    linear_decay_share: float | None = None
    step_schedule_milestones: list[float] | None = None
    step_schedule_factor: float = 0.1
    ema_decay: float | None = None
    compile_blocks: Literal["auto", "always", "never"] = "auto"

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
        if self.optimizer == "adamw":
            self.optim = "adamw_torch"
        super().__post_init__()

    @property
    def compiles_blocks(self) -> bool:
        """What `compile_blocks` comes to on this machine for this run."""
        if self.compile_blocks != "auto":
            return self.compile_blocks == "always"
        long_enough = self.max_steps < 0 or self.max_steps >= MIN_STEPS_TO_COMPILE
        return long_enough and (torch.cuda.is_available() or has_cpp_compiler())


# Compiling takes as long as about this many eager steps of a small model save.
MIN_STEPS_TO_COMPILE = 300


def supports_bfloat16(device_type: str | None = None) -> bool:
    """Whether a device (by default the one this process would train on) multiplies bfloat16 natively."""
    if device_type == "cuda" or (device_type is None and torch.cuda.is_available()):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def has_cpp_compiler() -> bool:
    """Whether `torch.compile` can build CPU code here."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return shutil.which(os.environ.get("CXX", "g++")) is not None and headers.is_file()
