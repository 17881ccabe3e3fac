"""A sharded model as the ordinary module it was, in one process and in place."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from heygen_hf.training.parallel.sharding import drop_gathered, whole

# Where FSDP2 enters a module: it gathers the weights before `forward` and frees them after it.
_HOOKS = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
)
# Trainer has FSDP2 wrap `generate`, and `generate` waits for the other processes where it finds FSDP2's mark.
_WRAPPED_METHOD, _MARK = "generate", "_is_fsdp_managed_module"


def make_whole(
    model: nn.Module, *, keep: bool, averages: Mapping[str, torch.Tensor] | None = None
) -> Callable[[], None]:
    """Gather a model that FSDP2 shards. Every process must call.

    On the process that keeps it, the very same object then is an ordinary module, with plain weights and no
    communication: it can generate, save and be called by that process alone. On the others it stays sharded.

    Args:
        averages: by parameter name, to hold in place of the weights.

    Returns:
        What makes it sharded again, its own weights in it.
    """
    drop_gathered(model)
    replaced: list[tuple[nn.Module, str, nn.Parameter]] = []
    for prefix, module in model.named_modules():
        for name, weight in list(module._parameters.items()):
            if not isinstance(weight, DTensor):
                continue
            source = (averages or {}).get(f"{prefix}.{name}" if prefix else name, weight)
            full = whole(source.detach()).to(weight.dtype)
            if keep:
                replaced.append((module, name, weight))
                module._parameters[name] = nn.Parameter(full, requires_grad=weight.requires_grad)
    taken = [(module, type(module), _take_hooks(module)) for module in _sharded_modules(model)] if keep else []
    for module, sharded_class, _ in taken:
        module.__class__ = next(base for base in sharded_class.__bases__ if base is not FSDPModule)

    marked = [module for module in model.modules() if keep and getattr(module, _MARK, False)]
    for module in marked:
        setattr(module, _MARK, False)

    def shard_again() -> None:
        for module in marked:
            setattr(module, _MARK, True)
        for module, sharded_class, hooks in taken:
            module.__class__ = sharded_class
            module.__dict__.update(hooks)
        for module, name, weight in replaced:
            module._parameters[name] = weight

    return shard_again


def _sharded_modules(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, FSDPModule)]


def _take_hooks(module: nn.Module) -> dict[str, Any]:
    taken = {name: module.__dict__[name] for name in _HOOKS}
    module.__dict__.update({name: OrderedDict() for name in _HOOKS})
    if _WRAPPED_METHOD in module.__dict__:
        taken[_WRAPPED_METHOD] = module.__dict__.pop(_WRAPPED_METHOD)
    return taken
