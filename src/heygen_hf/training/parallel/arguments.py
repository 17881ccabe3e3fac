"""Arguments of several processes."""

from dataclasses import dataclass


@dataclass
class ParallelArguments:
    """How several processes share a run. Mixed into `TrainingArguments`."""

    ddp_find_unused_parameters: bool | None = False
