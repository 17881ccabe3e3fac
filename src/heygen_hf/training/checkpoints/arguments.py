"""Arguments of checkpoints."""

from dataclasses import dataclass


@dataclass
class CheckpointArguments:
    """What is kept, and how often it is written. Mixed into `TrainingArguments`."""

    save_steps: float = 500
    save_total_limit: int | None = 2
