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

    Args:
        offload_blocks: the frozen weights of the transformer's blocks wait in the CPU's memory and come to the device
            block by block. For adapters; needs `gradient_checkpointing` of every block.
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

    offload_blocks: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.offload_blocks:
            return
        if not self.gradient_checkpointing or self.gradient_checkpointing_every != 1:
            raise ValueError(
                "offload_blocks=True brings weights to the device once more in the backward pass: set "
                "gradient_checkpointing=true and leave gradient_checkpointing_every out"
            )
        self.compile_blocks = "never"  # what a compiled block holds cannot be taken from it
