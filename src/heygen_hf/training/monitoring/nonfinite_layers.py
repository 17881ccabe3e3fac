"""Which layer a value that is no number came from."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten


class FirstNonFinite:
    """Watches the output of every module, and the gradient that comes back to it.

    For debugging: it waits for the device at every module. Nothing of the computation changes.

    Args:
        model: before it is wrapped or sharded.
    """

    def __init__(self, model: nn.Module) -> None:
        self._forward: str | None = None
        self._backward: str | None = None
        self._last_finite = "the loss"
        self._hooks = []
        for name, module in model.named_modules():
            label = f"{name or 'the model'} ({type(module).__name__})"
            self._hooks.append(module.register_forward_hook(partial(self._look, label), with_kwargs=True))
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                self._hooks.append(weight.register_post_accumulate_grad_hook(partial(self._look_at_weight, name)))

    def forget(self) -> None:
        """Begin a step."""
        self._forward = self._backward = None
        self._last_finite = "the loss"

    def describe(self) -> str | None:
        """The first place of this step; None where everything was finite."""
        return self._forward or self._backward

    def close(self) -> None:
        """Watch nothing any more."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _look(self, label: str, _module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        for tensor in _floats(output):
            if self._forward is None and not _is_finite(tensor):
                whole = all(_is_finite(value) for value in (*_floats(args), *_floats(kwargs)))
                came = "all of whose inputs are finite" if whole else "whose inputs are not finite already"
                self._forward = f"the first value that is no number comes out of {label}, {came}"
            if tensor.requires_grad and torch.is_grad_enabled():
                tensor.register_hook(partial(self._look_back, label))

    def _look_back(self, label: str, gradient: torch.Tensor) -> None:
        if self._backward is not None:
            return
        if _is_finite(gradient):
            self._last_finite = f"the output of {label}"
            return
        self._backward = (
            f"the first gradient that is no number is that of the output of {label}; the one before it, of "
            f"{self._last_finite}, is finite: what is computed between these two is to blame"
        )

    def _look_at_weight(self, name: str, weight: torch.Tensor) -> None:
        if self._backward is None and weight.grad is not None and not _is_finite(weight.grad):
            self._backward = f"the first gradient that is no number is that of the weight {name}"


def _floats(values: Any) -> Iterator[torch.Tensor]:
    for leaf in tree_flatten(values)[0]:
        if isinstance(leaf, torch.Tensor) and leaf.is_floating_point():
            yield leaf


def _is_finite(tensor: torch.Tensor) -> bool:
    local = tensor.to_local() if hasattr(tensor, "to_local") else tensor
    return bool(torch.isfinite(local).all())
