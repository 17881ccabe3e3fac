"""The step schedule, which transformers does not have."""

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
