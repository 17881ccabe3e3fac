"""Does `backward` agree with finite differences? In float64, with one line for what does not."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.gradcheck import GradcheckError

_NUMBERS = re.compile(r"numerical:\s*(.*?)\s*analytical:\s*(.*?)(?:\n\n|$)", re.DOTALL)


@dataclass(frozen=True)
class GradientCheck:
    """How a check went.

    Attributes:
        name: of what was checked.
        problem: None where the gradients agree; else one line.
    """

    name: str
    problem: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {'ok' if self.problem is None else self.problem}"


def check_gradients(
    function: Callable[..., Any],
    inputs: Sequence[Any],
    *,
    name: str | None = None,
    parameters: Sequence[nn.Parameter] = (),
    step: float = 1e-6,
    tolerance: float = 1e-4,
    seed: int = 0,
) -> GradientCheck:
    """Compare the gradients of `function(*inputs)` with finite differences, by `torch.autograd.gradcheck`.

    Every floating-point tensor is taken to float64 and differentiated, unless it stands in a [`Fixed`]; a module's
    weights are, too. What draws random numbers sees the same ones at each call.

    Args:
        function: to a tensor, or a tuple of them; a module is one.
        inputs: its arguments. Small ones: each value of each costs two calls.
        name: for the report; by default the function's.
        parameters: further weights to differentiate; of a module all that require a gradient are.
        step: of the differences.
        tolerance: relative and absolute.

    Example:
        >>> check_gradients(torch.sin, [torch.randn(3)])
        GradientCheck(name='sin', problem=None)
    """
    name = name or getattr(function, "__name__", type(function).__name__)
    if isinstance(function, nn.Module):
        function = function.double()
        parameters = [*parameters, *(weight for weight in function.parameters() if weight.requires_grad)]
    prepared, differentiated = [], []
    for value in inputs:
        if isinstance(value, Fixed):
            prepared.append(_double(value.value))
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            prepared.append(value.detach().double().clone().requires_grad_())
            differentiated.append(prepared[-1])
        else:
            prepared.append(value)
    differentiated += parameters
    if not differentiated:
        raise ValueError(f"{name} has nothing to differentiate: give a floating-point tensor or parameters.")

    def call(*_: torch.Tensor) -> Any:
        # The tensors are those above: gradcheck moves their values in place.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return function(*prepared)

    try:
        torch.autograd.gradcheck(
            call, tuple(differentiated), eps=step, atol=tolerance, rtol=tolerance, fast_mode=False, nondet_tol=1e-12
        )
    except GradcheckError as error:
        return GradientCheck(name, _one_line(str(error)))
    except (RuntimeError, ValueError, TypeError) as error:
        return GradientCheck(name, f"it cannot be computed: {' '.join(str(error).split())[:300]}")
    return GradientCheck(name)


@dataclass(frozen=True)
class Fixed:
    """An input that is not differentiated, such as a target or a timestep."""

    value: Any


def _double(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _one_line(message: str) -> str:
    """The first line of gradcheck's, and the largest difference of the two matrices it prints."""
    first = message.strip().splitlines()[0].strip().rstrip(",.:")
    found = _NUMBERS.search(message)
    if found is None:
        return f"{first}: {' '.join(message.split())[:200]}" if len(first) < 20 else first
    numeric, analytic = ([float(x) for x in re.findall(r"-?\d+\.?\d*(?:e[-+]?\d+)?", part)] for part in found.groups())
    pairs = [pair for pair in zip(numeric, analytic, strict=False)]
    if not pairs:
        return first
    worst = max(pairs, key=lambda pair: abs(pair[0] - pair[1]))
    return f"{first}: backward says {worst[1]:.4g} where differences say {worst[0]:.4g}"
