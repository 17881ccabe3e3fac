"""What happens between the steps of a fine-tuning."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from heygen_hf.tasks.finetuning.adapter.earlier import OrthogonalToEarlier


class EvaluateAtTheEnd(TrainerCallback):
    """The validation loss of what is exported, whatever `eval_steps` is; without a validation set there is none."""

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> TrainerControl:
        if state.global_step >= state.max_steps and args.eval_strategy != "no":
            control.should_evaluate = True
        return control


class KeepOrthogonal(TrainerCallback):
    """Brings an adapter back to what earlier ones do not read, after every optimiser step."""

    def __init__(self, keep: OrthogonalToEarlier) -> None:
        self.keep = keep

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self.keep()
