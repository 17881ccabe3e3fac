"""Schedules that transformers does not have, or has only in steps where a share of the training is meant."""

from collections.abc import Sequence

import torch


def step_schedule_with_warmup(
    optimizer: torch.optim.Optimizer,
    *,
    num_warmup_steps: int,
    num_training_steps: int,
    milestones: Sequence[float],
    factor: float,
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then the learning rate times `factor` after each milestone.

    Args:
        milestones: shares of the training, in (0, 1), in any order.

    Raises:
        ValueError: a milestone outside (0, 1).
    """
    if any(not 0 < milestone < 1 for milestone in milestones):
        raise ValueError(f"step_schedule_milestones={list(milestones)} must be shares of the training between 0 and 1.")
    steps = sorted(milestone * num_training_steps for milestone in milestones)

    def scale(step: int) -> float:
        if step < num_warmup_steps:
            return (step + 1) / (num_warmup_steps + 1)
        return factor ** sum(step >= milestone for milestone in steps)

    return torch.optim.lr_scheduler.LambdaLR(optimizer, scale)


def constant_then_linear_decay(
    optimizer: torch.optim.Optimizer, *, num_warmup_steps: int, num_training_steps: int, decay_share: float
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, constant, then linearly to zero over the last `decay_share` of the training.

    Given as a share, the schedule fits whatever the number of steps is changed to.

    Raises:
        ValueError: `decay_share` outside (0, 1].
    """
    if not 0 < decay_share <= 1:
        raise ValueError(f"linear_decay_share={decay_share} must be a share of the training above 0 and up to 1.")
    decay_steps = max(1, round(decay_share * num_training_steps))

    def scale(step: int) -> float:
        rising = (step + 1) / (num_warmup_steps + 1) if step < num_warmup_steps else 1.0
        return min(rising, max(0.0, (num_training_steps - step) / decay_steps))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, scale)
