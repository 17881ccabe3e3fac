"""What a trainer that goes on exactly must notice between its steps."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from heygen_hf.training.checkpoints.preemption import StopRequest


class EvaluationInterruptedError(Exception):
    """The program was told to stop in the middle of an evaluation."""


class FollowTheEpoch(TrainerCallback):
    """Knows whether what happens at the end of an epoch has happened."""

    def __init__(self) -> None:
        self.has_ended = True

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.has_ended = False

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.has_ended = True


class InterruptEvaluation(TrainerCallback):
    """Ends an evaluation between two batches when the program was told to stop; saving cannot wait for it.

    Attributes:
        is_armed: while an evaluation of the training loop runs; any other one goes on.
    """

    def __init__(self, request: StopRequest) -> None:
        self.request = request
        self.is_armed = False

    def on_prediction_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.is_armed and self.request.agreed():
            raise EvaluationInterruptedError
