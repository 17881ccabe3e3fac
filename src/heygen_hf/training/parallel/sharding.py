"""Tensors that are sharded over the processes: one process's part, and the whole of them.

Everything here takes plain tensors too and leaves them as they are, so that callers need not ask.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Shard, distribute_tensor


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This process's part; writing to it writes to the tensor."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of it, on every process. Every process must call."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_of(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A tensor that every process holds whole, sharded as `like` is; without communication."""
    if not isinstance(like, DTensor):
        return tensor
    cut = distribute_tensor(tensor, like.device_mesh, like.placements, src_data_rank=None)
    part = torch.empty_like(like, dtype=tensor.dtype, requires_grad=False)
    # A copy: the cut is a view that would keep the whole tensor in memory.
    local(part).copy_(local(cut))
    return part


def gather(tensors: Mapping[str, torch.Tensor], *, keep: bool) -> dict[str, torch.Tensor]:
    """Whole tensors by name, in the memory of the CPU where they were sharded. Every process must call.

    Args:
        keep: whether this process wants them; the others get an empty dictionary.
    """
    found: dict[str, torch.Tensor] = {}
    gathered: dict[int, torch.Tensor] = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, DTensor):
            if id(tensor) not in gathered:  # tied weights stay one
                full = tensor.detach().full_tensor()
                gathered[id(tensor)] = full.cpu() if keep else full.new_empty(0)
            tensor = gathered[id(tensor)]
        if keep:
            found[name] = tensor.detach()
    return found


def whole_stack(parts: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A stack `(count, *local shape)` of parts of tensors that are all sharded as `like` is, `(count, *shape)`."""
    if not isinstance(like, DTensor):
        return parts
    shape = torch.Size((len(parts), *like.shape))
    strides = tuple(int(size) for size in torch.empty(shape, device="meta").stride())
    placements = _of_stack(like)
    return DTensor.from_local(
        parts, like.device_mesh, placements, run_check=False, shape=shape, stride=strides
    ).full_tensor()


def parts_of_stack(stack: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The reverse of `whole_stack`."""
    if not isinstance(like, DTensor):
        return stack
    return local(distribute_tensor(stack, like.device_mesh, _of_stack(like), src_data_rank=None))


def _of_stack(like: DTensor) -> list:
    return [Shard(place.dim + 1) if isinstance(place, Shard) else place for place in like.placements]


def is_sharded(model: nn.Module) -> bool:
    """Whether FSDP2 has a part of the model."""
    return any(isinstance(module, FSDPModule) for module in model.modules())


def drop_gathered(model: nn.Module) -> None:
    """Free the whole weights that a forward pass left behind, so that the next one sees what changed in the parts."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
