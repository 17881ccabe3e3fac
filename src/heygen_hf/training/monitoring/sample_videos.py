"""Sample videos while a run trains."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class SampleVideos(TrainerCallback):
    """Calls `write_samples(step)` every `sample_steps` optimiser steps and at the end, on every process."""

    def __init__(self, write_samples: Callable[[int], None]) -> None:
        self.write_samples = write_samples

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        every = getattr(args, "sample_steps", 0)
        due = every and (state.global_step % every == 0 or state.global_step == state.max_steps)
        if due:
            self.write_samples(state.global_step)
