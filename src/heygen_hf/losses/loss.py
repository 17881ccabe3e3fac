"""What every loss module is: it computes in full precision and can say what it is, for logs and model cards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn


class Loss(nn.Module):
    """A loss that can describe itself.

    Subclasses set `summary` and `citation` and return their options, as JSON can hold them, from `options`.
    """

    summary: ClassVar[str] = ""
    citation: ClassVar[str] = ""

    def options(self) -> dict[str, Any]:
        """The options it was built with, JSON values only: modules by the name of their class."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Name, options, summary and citation, ready for JSON."""
        return {
            "loss": type(self).__name__,
            "options": self.options(),
            "summary": self.summary,
            "citation": self.citation,
        }

    def describe(self) -> str:
        """One line for a model card: `` `FocalLoss(gamma=2.0)`: what it is (where it comes from) ``."""
        source = f" ({self.citation})" if self.citation else ""
        return f"`{type(self).__name__}({self.extra_repr()})`: {self.summary}{source}"

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options().items())


@dataclass(frozen=True)
class LossOutput:
    """A loss and what it is made of: `loss` is the sum of `weights[name] * parts[name]`.

    Attributes:
        loss: scalar, the one to differentiate.
        parts: name -> scalar, before its weight.
        weights: name -> what the part was multiplied by; a tensor where it was computed in the step.
    """

    loss: torch.Tensor
    parts: dict[str, torch.Tensor] = field(default_factory=dict)
    weights: dict[str, float | torch.Tensor] = field(default_factory=dict)

    @classmethod
    def from_parts(cls, parts: Mapping[str, torch.Tensor], weights: Mapping[str, float | torch.Tensor]) -> "LossOutput":
        """The weighted sum of at least one part."""
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return cls(loss=total, parts=dict(parts), weights={name: weights[name] for name in parts})

    def to_log(self) -> dict[str, float]:
        """Plain numbers by name: `loss`, every part, and `<part>_weight` where the step computed the weight."""
        values = {"loss": self.loss, **self.parts}
        values |= {f"{name}_weight": weight for name, weight in self.weights.items() if torch.is_tensor(weight)}
        return {name: float(value.detach()) for name, value in values.items()}


def full_precision(tensor: torch.Tensor) -> torch.Tensor:
    """float32, or float64 where it was given: half-precision exponentials and sums cost accuracy."""
    return tensor if tensor.dtype == torch.float64 else tensor.float()
