"""Arguments of optimiser, schedule, average and compilation."""

import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

# Compiling takes as long as about this many eager steps of a small model save.
MIN_STEPS_TO_COMPILE = 300


@dataclass
class OptimizationArguments:
    """What moves the weights. Mixed into `TrainingArguments`.

    Args:
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

    optimizer: Literal["muon", "adamw", "trainer"] = "muon"
    muon_learning_rate: float = 2e-3
    muon_momentum: float = 0.95
    linear_decay_share: float | None = None
    step_schedule_milestones: list[float] | None = None
    step_schedule_factor: float = 0.1
    ema_decay: float | None = None
    compile_blocks: Literal["auto", "always", "never"] = "auto"

    def __post_init__(self) -> None:
        if self.optimizer == "adamw":
            self.optim = "adamw_torch"
        super().__post_init__()  # type: ignore[misc]

    @property
    def compiles_blocks(self) -> bool:
        """What `compile_blocks` comes to on this machine for this run."""
        if self.compile_blocks != "auto":
            return self.compile_blocks == "always"
        long_enough = self.max_steps < 0 or self.max_steps >= MIN_STEPS_TO_COMPILE
        return long_enough and (torch.cuda.is_available() or has_cpp_compiler())


def has_cpp_compiler() -> bool:
    """Whether `torch.compile` can build CPU code here."""
    headers = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return shutil.which(os.environ.get("CXX", "g++")) is not None and headers.is_file()
