"""Arguments of `SupervisedTrainer`."""

from dataclasses import dataclass
from typing import Literal

from heygen_hf.training.base_arguments import BaseTrainingArguments


@dataclass
class SupervisedTrainingArguments(BaseTrainingArguments):
    """[`BaseTrainingArguments`] for models that compute their loss from a batch and its labels.

    Defaults that differ from them: `compile_blocks` "never", since encoders of many kinds are compiled for minutes.

    Args:
        max_eval_samples: at most so many validation samples per evaluation, evenly spread; None for all.
    """

    compile_blocks: Literal["auto", "always", "never"] = "never"

    max_eval_samples: int | None = 512
