"""R1 and R2: a discriminator whose slope at the clips is small (Mescheder et al. 2018)."""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch

from heygen_hf.losses.adversarial import output_logits
from heygen_hf.losses.bad_input import check_choice, check_weight
from heygen_hf.losses.loss import Loss, full_precision

PenaltyKind = Literal["r1", "r2"]


class GradientPenalty(Loss):
    """`weight / 2 * |d D(x) / d x|^2`, averaged over the batch; for the discriminator's step.

    | input | shape | values |
    |---|---|---|
    | `discriminator` | a module or callable: clips to logits, a list of them, or an output that has them | |
    | `clips` | `(batch, frames, channels, height, width)` | real clips for `r1`, generated ones for `r2` |
    | returns | scalar | at least 0 |

    D(x) is the mean of a clip's patch logits, then of its scales, so that the penalty does not grow with the clip.
    The penalty differentiates through the gradient: attention inside the discriminator needs an implementation with
    a second derivative (eager), and it is computed in float32 outside of autocast.

    Args:
        kind: says which clips it is meant for; the formula is one.
        weight: gamma of the paper.

    Example:
        >>> penalty = GradientPenalty(kind="r1", weight=10.0)
        >>> (discriminator_loss + penalty(discriminator, real)).backward()
    """

    summary = "squared slope of the discriminator at real (R1) or generated (R2) clips"
    citation = "Mescheder et al. 2018, arXiv:1801.04406"

    def __init__(self, *, kind: PenaltyKind = "r1", weight: float = 10.0) -> None:
        super().__init__()
        check_choice("kind", kind, get_args(PenaltyKind))
        check_weight("weight", weight)
        self.kind = kind
        self.weight = weight

    def options(self) -> dict[str, Any]:
        return {"kind": self.kind, "weight": self.weight}

    def forward(self, discriminator: Callable[[torch.Tensor], Any], clips: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad(), torch.autocast(clips.device.type, enabled=False):
            clips = full_precision(clips.detach()).requires_grad_()
            logits = output_logits(discriminator(clips))
            scales = [logits] if isinstance(logits, torch.Tensor) else list(logits)
            # A clip's score depends on that clip alone: the gradient of the sum holds each clip's own.
            score = torch.stack([full_precision(scale).flatten(1).mean(1) for scale in scales]).mean(0).sum()
            (slope,) = torch.autograd.grad(score, clips, create_graph=True)
        return self.weight / 2 * slope.flatten(1).square().sum(1).mean()
