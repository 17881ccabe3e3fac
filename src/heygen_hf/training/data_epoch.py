"""Which epoch the data stands in."""

from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class SetDataEpoch(TrainerCallback):
    """Calls `set_epoch(epoch)` before each epoch's first batch is drawn, also in the middle of one on resume."""

    def __init__(self, set_epoch: Callable[[int], None]) -> None:
        self.set_epoch = set_epoch

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The state holds a float, a hair off after the last step of an epoch.
        self.set_epoch(int((state.epoch or 0.0) + 1e-6))
