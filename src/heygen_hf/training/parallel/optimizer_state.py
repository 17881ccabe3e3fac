"""An optimiser's state with sharded weights, as the file that an unsharded run writes and reads."""

from typing import Any

import torch
from torch.distributed.tensor import DTensor

from heygen_hf.training.parallel.sharding import part_of


def whole_state(state: Any, *, keep: bool) -> Any:
    """A `state_dict` with every sharded tensor whole, on the CPU. Every process must call, in the same order.

    Args:
        keep: whether this process wants it; the tensors of the others are dropped as they come.
    """
    if isinstance(state, DTensor):
        full = state.full_tensor()
        return full.cpu() if keep else None
    if isinstance(state, dict):
        return {name: whole_state(value, keep=keep) for name, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(whole_state(value, keep=keep) for value in state)
    return state


def sharded_state(state: dict[str, Any], optimizer: Any) -> dict[str, Any]:
    """The reverse, for an optimiser whose weights are sharded; without communication."""
    if "param_groups" not in state:  # several optimisers behind one object
        return {name: sharded_state(part, getattr(optimizer, name)) for name, part in state.items()}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    parts = {
        index: {name: _part(value, weights[index]) for name, value in values.items()}
        for index, values in state["state"].items()
    }
    return {**state, "state": parts}


def _part(value: Any, weight: torch.Tensor) -> Any:
    of_weight = isinstance(value, torch.Tensor) and value.shape == weight.shape
    return part_of(value, weight) if of_weight else value
