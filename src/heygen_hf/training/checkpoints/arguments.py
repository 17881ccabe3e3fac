"""Arguments of checkpoints."""

from dataclasses import dataclass


@dataclass
class CheckpointArguments:
    """What is kept, and how often it is written. Mixed into `TrainingArguments`.

    Defaults that differ: `restore_callback_states_from_checkpoint` True, so that what callbacks have counted (the
    evaluations without progress of early stopping) goes on on resume.
    """

    save_steps: float = 500
    save_total_limit: int | None = 2
    restore_callback_states_from_checkpoint: bool = True
