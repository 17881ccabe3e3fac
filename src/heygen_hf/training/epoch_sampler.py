"""The order in which an epoch visits the clips."""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler

from heygen_hf.training.randomness import generator_for

# Keeps the order's stream apart from those that are drawn per step.
_ORDER = 7


class EpochSampler(Sampler[int]):
    """A permutation that is a function of (seed, epoch), filled to a multiple of the global batch.

    The last global batch of an epoch is filled with the epoch's first clips, as distributed samplers do; doing it on
    one process too makes the number of processes irrelevant.

    Args:
        count: number of clips.
        multiple_of: samples of one optimiser step over all processes.
        seed: of the order.
    """

    def __init__(self, count: int, *, multiple_of: int, seed: int) -> None:
        self.count, self.multiple_of, self.seed = count, multiple_of, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is next."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.count // self.multiple_of) * self.multiple_of

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(self.count, generator=generator_for(self.seed, self.epoch, _ORDER))
        return iter(order.repeat(-(-len(self) // self.count))[: len(self)].tolist())
