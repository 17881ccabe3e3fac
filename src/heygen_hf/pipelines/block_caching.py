"""Leaving out blocks whose effect hardly changes from one step to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn


class BlockCache(nn.Module):
    """A model's blocks as one, of which all but the first are left out where the first says nothing new.

    What the blocks behind the first add to the tokens is kept; it is added again while the first block's own
    contribution differs from the one it was computed with by less than a share of it (the first-block cache of
    ParaAttention, in diffusers as `apply_first_block_cache`). The difference is the largest over the batch, so that a
    video is made no worse by the others beside it; calls with another number of rows have a cache of their own.

    Args:
        blocks: of the transformer; at least two.
        threshold: the share.

    Attributes:
        num_calls, num_reused: how often the blocks were called, and how often all but the first were left out.
    """

    def __init__(self, blocks: nn.ModuleList, *, threshold: float) -> None:
        super().__init__()
        self.blocks = blocks
        self.threshold = threshold
        self.num_calls = self.num_reused = 0
        self._kept: dict[torch.Size, tuple[torch.Tensor, torch.Tensor]] = {}

    def forward(self, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.num_calls += 1
        first = self.blocks[0](hidden_states, *args, **kwargs)
        change = first - hidden_states
        if first.shape in self._kept:
            before, rest = self._kept[first.shape]
            over = tuple(range(1, change.ndim))
            share = (change - before).abs().mean(dim=over) / before.abs().mean(dim=over).clamp(min=1e-12)
            if float(share.max()) < self.threshold:
                self.num_reused += 1
                return first + rest
        after = first
        for block in self.blocks[1:]:
            after = block(after, *args, **kwargs)
        self._kept[first.shape] = (change, after - first)
        return after


def blocks_of(layers: nn.ModuleList) -> list[nn.Module]:
    """A transformer's blocks, also where they are behind a `BlockCache`."""
    return [block for layer in layers for block in (layer.blocks if isinstance(layer, BlockCache) else [layer])]


@contextmanager
def cached_blocks(transformer: Any, threshold: float) -> Iterator[BlockCache | None]:
    """Within the context the transformer's blocks are a `BlockCache`; at 0 they are left as they are.

    Raises:
        ValueError: a negative threshold, or a model of one block.
    """
    if threshold < 0:
        raise ValueError(f"block_cache_threshold={threshold} must be 0 (off) or more.")
    if not threshold:
        yield None
        return
    blocks = transformer.layers
    if len(blocks) < 2:
        raise ValueError("block_cache_threshold leaves out blocks behind the first, and this model has no other.")
    cache = BlockCache(blocks, threshold=threshold)
    transformer.layers = nn.ModuleList([cache])
    try:
        yield cache
    finally:
        transformer.layers = blocks
