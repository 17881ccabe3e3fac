"""Time and memory of real training steps."""

import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Trainer, TrainerCallback


@dataclass(frozen=True)
class StepCost:
    """What a step took.

    Attributes:
        step_seconds: median, the first step left out.
        peak_memory_mebibytes: of the GPU, or of the process where there is none.
        memory_of: "gpu" or "process".
        steps_measured: how many steps the median is of.
    """

    step_seconds: float
    peak_memory_mebibytes: float
    memory_of: str
    steps_measured: int


class _StepTimes(TrainerCallback):
    def __init__(self) -> None:
        self.at: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.at.append(time.perf_counter())


def measure_steps(trainer: Trainer) -> StepCost:
    """Train for the trainer's few steps and measure all but the first, which warms up."""
    times = _StepTimes()
    trainer.add_callback(times)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    trainer.train()
    seconds = [later - earlier for earlier, later in zip(times.at[:-1], times.at[1:], strict=True)]
    on_gpu = torch.cuda.is_available()
    return StepCost(
        step_seconds=round(statistics.median(seconds), 4),
        peak_memory_mebibytes=round((torch.cuda.max_memory_allocated() if on_gpu else _peak_of_process()) / 2**20, 1),
        memory_of="gpu" if on_gpu else "process",
        steps_measured=len(seconds),
    )


def _peak_of_process() -> int:
    """Bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
