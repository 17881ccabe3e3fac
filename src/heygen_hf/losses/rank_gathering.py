"""Embeddings of every rank, with gradients: what makes a contrastive batch as large as the whole group's."""

from typing import Any

import torch
from torch import distributed


class _GatherWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor) -> torch.Tensor:  # noqa: ARG004 (autograd's signature)
        gathered = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
        distributed.all_gather(gathered, tensor.contiguous())
        return torch.stack(gathered)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        # Every rank's loss depends on this rank's embeddings: their gradient is the sum over ranks.
        gradient = gradients[0].contiguous()
        distributed.all_reduce(gradient)
        return gradient[distributed.get_rank()]


def rank_count() -> int:
    """How many processes there are, 1 where `torch.distributed` is not in use."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def gather_from_ranks(tensor: torch.Tensor) -> tuple[torch.Tensor, int]:
    """`(batch, ...)` of all ranks in rank order, and where this rank's rows begin.

    Batches may differ in size. Gradients flow back to the rank that a row came from, summed over the ranks.
    """
    ranks = rank_count()
    if ranks == 1:
        return tensor, 0
    size = torch.tensor([tensor.shape[0]], device=tensor.device)
    gathered_sizes = [torch.empty_like(size) for _ in range(ranks)]
    distributed.all_gather(gathered_sizes, size)
    sizes = torch.cat(gathered_sizes).tolist()
    padding = tensor.new_zeros(max(sizes) - tensor.shape[0], *tensor.shape[1:])
    padded = torch.cat((tensor, padding))
    # The same branch on every rank: whether a gradient is wanted is the code's doing, not the data's.
    every = _GatherWithGradient.apply(padded) if padded.is_floating_point() else _gather(padded, ranks)
    rows = torch.cat([rows[:count] for rows, count in zip(every, sizes, strict=True)])
    return rows, sum(sizes[: distributed.get_rank()])


def sum_over_ranks(tensor: torch.Tensor) -> torch.Tensor:
    """The sum of every rank's value, without a gradient."""
    total = tensor.detach().clone()
    if rank_count() > 1:
        distributed.all_reduce(total)
    return total


def _gather(tensor: torch.Tensor, ranks: int) -> torch.Tensor:
    gathered = [torch.empty_like(tensor) for _ in range(ranks)]
    distributed.all_gather(gathered, tensor.contiguous())
    return torch.stack(gathered)
