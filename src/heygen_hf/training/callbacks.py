"""What a run writes beside its checkpoints while it trains."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from heygen_hf.training.ema import ExponentialMovingAverage


class JsonLinesLog(TrainerCallback):
    """Appends every log entry to a `.jsonl` file, one object a line with its `step`.

    On resume, entries of steps after the checkpoint are dropped first: they will be written again.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        if not state.is_world_process_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if self.path.exists() and state.global_step:
            kept = [line for line in self.path.read_text().splitlines() if _step_of(line) <= state.global_step]
        self.path.write_text("".join(f"{line}\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs is not None:
            with self.path.open("a") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class SampleVideos(TrainerCallback):
    """Calls `write_samples(step)` every `sample_steps` optimiser steps and at the end, on the main process."""

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
        if due and state.is_world_process_zero:
            self.write_samples(state.global_step)


class SetDataEpoch(TrainerCallback):
    """Calls `set_epoch(epoch)` before each epoch's first batch is drawn, also in the middle of one on resume."""

    def __init__(self, set_epoch: Callable[[int], None]) -> None:
        self.set_epoch = set_epoch

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The state holds a float, a hair off after the last step of an epoch.
        self.set_epoch(int((state.epoch or 0.0) + 1e-6))


class UpdateAverage(TrainerCallback):
    """Moves the EMA after every optimiser step."""

    def __init__(self, average: ExponentialMovingAverage) -> None:
        self.average = average

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        self.average.update()


def _step_of(line: str) -> float:
    try:
        return json.loads(line).get("step", float("inf"))
    except ValueError:
        # A line cut short by a kill.
        return float("inf")
