"""Arguments of optimiser, schedule, average and compilation."""

import os
import shutil
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from heygen_hf._optional import require

# Compiling takes as long as about this many eager steps of a small model save.
MIN_STEPS_TO_COMPILE = 300


@dataclass
class OptimizationArguments:
    """What moves the weights. Mixed into `TrainingArguments`.

    Args:
        optimizer: "muon" (matrices of the blocks; AdamW for the rest), "adamw", "adamw_8bit" (its two averages in 8
            bits, a quarter of the memory; needs bitsandbytes), or "trainer" for what Trainer's own `optim` names.
        muon_learning_rate: Muon's learning rate; `learning_rate` is AdamW's.
        muon_momentum: Muon's momentum.
        linear_decay_share: the learning rate is constant after the warm-up and falls linearly to zero over this last
            share of the training; when given, it replaces `lr_scheduler_type`.
        step_schedule_milestones: shares of the training after which the learning rate is multiplied by
            `step_schedule_factor`; when given, they replace `lr_scheduler_type`.
        ema_decay: of the averaged weights that are evaluated and exported; None trains without an average.
        compile_blocks: compile each repeated block ("auto": when a compiler is there and the run has at least
            `MIN_STEPS_TO_COMPILE` steps, fewer do not repay the wait).
        gradient_checkpointing_every: with `gradient_checkpointing`, every how many blocks one is computed again in the
            backward pass instead of keeping what it computed in the forward pass: 1 for all of them, 2 for every other.
        offload_activations: with `gradient_checkpointing`, what is kept waits in the CPU's memory. Needs a GPU (and no
            GPU has run this yet).
        auto_find_batch_size: Trainer's name; here a batch that memory does not hold goes through the model in pieces,
            and the optimiser's step stays what it is, see [`BatchFittingTrainer`].
    """

    learning_rate: float = 1e-3
    lr_scheduler_type: str = "cosine"
    warmup_steps: float = 50

    optimizer: Literal["muon", "adamw", "adamw_8bit", "trainer"] = "muon"
    muon_learning_rate: float = 2e-3
    muon_momentum: float = 0.95
    linear_decay_share: float | None = None
    step_schedule_milestones: list[float] | None = None
    step_schedule_factor: float = 0.1
    ema_decay: float | None = None
    compile_blocks: Literal["auto", "always", "never"] = "auto"
    gradient_checkpointing_every: int = 1
    offload_activations: bool = False

    def __post_init__(self) -> None:
        if self.optimizer == "adamw":
            self.optim = "adamw_torch"
        elif self.optimizer == "adamw_8bit":
            require("bitsandbytes")
            self.optim = "adamw_bnb_8bit"
        self._choose_recomputed()
        super().__post_init__()  # type: ignore[misc]

    def _choose_recomputed(self) -> None:
        """Ours and Trainer's old names → Trainer's `activation_checkpointing` and its kwargs."""
        every, offload = self.gradient_checkpointing_every, self.offload_activations
        if self.activation_checkpointing is None:
            self.activation_checkpointing = self.gradient_checkpointing
        if every < 1:
            raise ValueError(f"gradient_checkpointing_every={every} must be at least 1 (every block).")
        if (every > 1 or offload) and not self.activation_checkpointing:
            name = f"gradient_checkpointing_every={every}" if every > 1 else "offload_activations=True"
            raise ValueError(f"{name} says how blocks are recomputed, and none are: set gradient_checkpointing=true.")
        if offload and not torch.cuda.is_available():
            raise ValueError(
                "offload_activations=True moves activations from a GPU to the CPU's memory; here is no GPU."
            )
        chosen = {"every_n_layers": every} if every > 1 else {}
        chosen |= {"offload": True} if offload else {}
        if chosen:
            given = self.activation_checkpointing_kwargs or self.gradient_checkpointing_kwargs or {}
            if not isinstance(given, dict):
                raise ValueError(f"activation_checkpointing_kwargs={given!r} must be a mapping.")
            self.activation_checkpointing_kwargs = {**given, **chosen}

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
