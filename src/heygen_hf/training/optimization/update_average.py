"""The average moves with the optimiser."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from heygen_hf.training.optimization.ema import ExponentialMovingAverage


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
