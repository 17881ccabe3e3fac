"""A weighted sum of named losses, each with its own start and ramp, that reports every part."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from heygen_hf.losses.bad_input import check_weight
from heygen_hf.losses.loss import Loss, LossOutput


@dataclass(frozen=True)
class WeightedLoss:
    """One part of a `CombinedLoss`.

    Attributes:
        loss: any module that returns a scalar or a `LossOutput`.
        weight: what it is multiplied by, at least 0.
        start_step: the optimiser step at which it begins to count.
        ramp_steps: over so many steps its weight grows linearly to `weight`.
        inputs: parameter of the loss -> name among the inputs of `CombinedLoss`, where the two differ.
    """

    loss: nn.Module
    weight: float = 1.0
    start_step: int = 0
    ramp_steps: int = 0
    inputs: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        check_weight("weight", self.weight)
        if self.start_step < 0 or self.ramp_steps < 0:
            raise ValueError(f"start_step={self.start_step} and ramp_steps={self.ramp_steps} must be at least 0.")

    @property
    def scheduled(self) -> bool:
        return self.start_step > 0 or self.ramp_steps > 0

    def weight_at(self, step: int) -> float:
        """0 before `start_step`, `weight` from `start_step + ramp_steps` on, a straight line between."""
        if step < self.start_step:
            return 0.0
        if step >= self.start_step + self.ramp_steps:
            return self.weight
        # The first step of a ramp counts already: after n of ramp_steps steps n / ramp_steps of the weight.
        return self.weight * (step - self.start_step + 1) / (self.ramp_steps + 1)


class CombinedLoss(Loss):
    """`sum(weight * loss)` over named losses; each takes by name what its `forward` asks for.

    | input | shape | values |
    |---|---|---|
    | `step` | int | the optimiser step, for losses with a schedule |
    | `**inputs` | as the losses document | every tensor that one of them takes, by the name of its parameter |
    | returns | `LossOutput` | parts by name; those of a loss with parts as `name/part` |

    A loss whose weight is 0 at this step is not computed and not among the parts.

    Args:
        losses: name -> `(weight, loss)` or `WeightedLoss`.

    Example:
        >>> loss = CombinedLoss({"focal": (1.0, FocalLoss()), "dice": WeightedLoss(DiceLoss(), 0.5, start_step=100)})
        >>> output = loss(step=120, logits=logits, labels=labels)
        >>> output.to_log()
        {'loss': 0.8, 'focal': 0.5, 'dice': 0.6}
    """

    summary = "weighted sum of named losses"

    def __init__(self, losses: Mapping[str, WeightedLoss | tuple[float, nn.Module]]) -> None:
        super().__init__()
        if not losses:
            raise ValueError("there are no losses to combine: give at least one.")
        self.plan = {
            name: part if isinstance(part, WeightedLoss) else WeightedLoss(loss=part[1], weight=part[0])
            for name, part in losses.items()
        }
        if not any(part.weight for part in self.plan.values()):
            raise ValueError(f"every weight of {', '.join(self.plan)} is 0: give at least one loss a weight.")
        self.losses = nn.ModuleDict({name: part.loss for name, part in self.plan.items()})

    def options(self) -> dict[str, Any]:
        return {
            name: {
                "weight": part.weight,
                "start_step": part.start_step,
                "ramp_steps": part.ramp_steps,
                "loss": part.loss.to_dict() if isinstance(part.loss, Loss) else type(part.loss).__name__,
            }
            for name, part in self.plan.items()
        }

    def forward(self, *, step: int | None = None, **inputs: Any) -> LossOutput:
        parts: dict[str, torch.Tensor] = {}
        weights: dict[str, float | torch.Tensor] = {}
        for name, part in self.plan.items():
            if part.scheduled and step is None:
                raise ValueError(f"{name} has a schedule (start_step or ramp_steps): give step, the optimiser's.")
            weight = part.weight_at(step or 0)
            if not weight:
                continue
            value = part.loss(**_inputs_of(name, part, inputs))
            if isinstance(value, LossOutput):
                for inner, inner_value in value.parts.items():
                    parts[f"{name}/{inner}"] = inner_value
                    weights[f"{name}/{inner}"] = weight * value.weights[inner]
            else:
                parts[name], weights[name] = value, weight
        if not parts:
            raise ValueError(f"no loss counts at step {step}: let one of {', '.join(self.plan)} start at step 0.")
        return LossOutput.from_parts(parts, weights)


def _inputs_of(name: str, part: WeightedLoss, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a loss's `forward` takes, out of everything there is."""
    chosen = {}
    renamed = part.inputs or {}
    parameters = inspect.signature(part.loss.forward).parameters
    unknown = set(renamed) - set(parameters)
    if unknown:
        raise ValueError(f"{name} has no input {', '.join(sorted(unknown))}: it takes {', '.join(parameters)}.")
    for parameter in parameters.values():
        if parameter.kind in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL}:
            continue
        source = renamed.get(parameter.name, parameter.name)
        if source in inputs:
            chosen[parameter.name] = inputs[source]
        elif parameter.default is parameter.empty or parameter.name in renamed:
            raise ValueError(f"{name} needs {source}, which is not among the inputs {', '.join(inputs) or '(none)'}.")
    return chosen
