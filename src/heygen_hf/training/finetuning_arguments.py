"""Arguments of fine-tuning a published generator."""

from dataclasses import dataclass
from typing import Literal

from heygen_hf.training.video_generation_arguments import VideoGenerationTrainingArguments


@dataclass
class FinetuningTrainingArguments(VideoGenerationTrainingArguments):
    """[`VideoGenerationTrainingArguments`] with what small changes of a trained model want.

    Defaults that differ from them: `optimizer` adamw, `learning_rate` 1e-4, `lr_scheduler_type` constant_with_warmup,
    `per_device_train_batch_size` 1, `ema_decay` none, `logging_steps` 10, `save_steps` and `eval_steps` 250, and
    `eval_on_start`: the validation loss of the model as it was published stands first in the log.
    """

    optimizer: Literal["muon", "adamw", "adamw_8bit", "trainer"] = "adamw"
    learning_rate: float = 1e-4
    lr_scheduler_type: str = "constant_with_warmup"
    per_device_train_batch_size: int = 1
    ema_decay: float | None = None
    logging_steps: float = 10
    save_steps: float = 250
    eval_steps: float | None = 250
    eval_on_start: bool = True
