"""Which rows make up each batch of an epoch, for one process of any number."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

from heygen_hf.data.loading.order import epoch_order
from heygen_hf.processing import shuffled_indices

_BATCHES_STREAM = 13  # keeps the shuffle of the batches apart from that of the rows


@dataclass(frozen=True)
class Grouping:
    """Rows that must not share a batch, because their shapes differ.

    Attributes:
        group_of_row: int64 `(rows,)`, the group of each row.
        batch_sizes: for each group, samples of one batch of one process.
    """

    group_of_row: np.ndarray
    batch_sizes: tuple[int, ...]

    def __post_init__(self) -> None:
        if min(self.batch_sizes, default=1) < 1:
            raise ValueError(f"batch_sizes is {self.batch_sizes}; expected at least 1 each")


def batch_sizes_for(token_counts: Sequence[int], *, tokens_per_batch: int) -> tuple[int, ...]:
    """How many clips of each token count fill a budget of tokens.

    Raises:
        ValueError: a single clip has more tokens than the budget.
    """
    too_long = max(token_counts)
    if too_long > tokens_per_batch:
        raise ValueError(
            f"tokens_per_batch is {tokens_per_batch} and one clip of the largest bucket has {too_long} tokens; "
            f"set it to at least {too_long}, or leave that bucket out"
        )
    return tuple(tokens_per_batch // count for count in token_counts)


class EpochBatches(Sampler[list[int]]):
    """Batches of row numbers for one process; all processes together see every row of an epoch.

    A pure function of (seed, epoch): any batch of any epoch is known at once, so resuming replays nothing. Sample i of
    a process's batch is sample `i * num_processes + process_index` of that step over all processes: the number of
    processes changes who computes a sample, not which samples make a step.

    - Without a grouping every batch has `batch_size` samples; the last step of an epoch is filled up with the epoch's
      first rows, as distributed samplers do.
    - With one, each step's rows are of one group (on every process the same), a group's leftover makes a smaller batch,
      and no row is dropped. A leftover that the processes cannot share evenly is filled up with its own first rows.

    Args:
        shard_sizes: rows of each shard (`[len(dataset)]` where there are no shards).
        batch_size: samples of one batch of one process.
        accumulation_steps: batches of one optimiser step; an epoch is filled up to whole ones.
        grouping: rows that must not be mixed, with their batch sizes in place of `batch_size`.
        lanes: shards read at the same time.
        shuffle: False keeps the rows' order (validation).
    """

    def __init__(
        self,
        shard_sizes: Sequence[int],
        *,
        batch_size: int,
        seed: int,
        process_index: int = 0,
        num_processes: int = 1,
        accumulation_steps: int = 1,
        grouping: Grouping | None = None,
        lanes: int = 8,
        shuffle: bool = True,
    ) -> None:
        self.shard_sizes, self.batch_size, self.seed = list(shard_sizes), batch_size, seed
        self.process_index, self.num_processes = process_index, num_processes
        self.accumulation_steps, self.grouping = accumulation_steps, grouping
        self.lanes, self.shuffle = lanes, shuffle
        self.num_rows = sum(self.shard_sizes)
        self.epoch = self.start = 0
        if self.num_rows == 0:
            raise ValueError("there is no row to make a batch of; expected at least one usable clip")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1")
        if grouping is not None and len(grouping.group_of_row) != self.num_rows:
            raise ValueError(f"the grouping is of {len(grouping.group_of_row)} rows, the data has {self.num_rows}")

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches come next."""
        self.epoch = epoch

    def start_at(self, batch: int) -> None:
        """Begin each following iteration with this batch instead of the first."""
        self.start = batch

    def __len__(self) -> int:
        """Batches of one whole epoch for each process."""
        if self.grouping is None:
            per_step = self.batch_size * self.num_processes * self.accumulation_steps
            return -(-self.num_rows // per_step) * self.accumulation_steps
        counts = np.bincount(self.grouping.group_of_row, minlength=len(self.grouping.batch_sizes))
        sizes = np.array(self.grouping.batch_sizes) * self.num_processes
        return int((-(-counts // sizes)).sum())

    def step_span(self, batch: int) -> tuple[int, int]:
        """Of an unshuffled grouping: where among all rows the batch of all processes starts, and how many rows it has
        without those that fill it up. Whatever the number of processes, a row keeps its place."""
        assert self.grouping is not None
        spans = []
        first = 0
        counts = np.bincount(self.grouping.group_of_row, minlength=len(self.grouping.batch_sizes))
        for count, batch_size in zip(counts.tolist(), self.grouping.batch_sizes, strict=True):
            size = batch_size * self.num_processes
            spans += [(first + start, min(size, count - start)) for start in range(0, count, size)]
            first += count
        return spans[batch]

    @property
    def largest_batch_size(self) -> int:
        """Samples of the largest batch of a process."""
        return max(self.grouping.batch_sizes) if self.grouping is not None else self.batch_size

    def __iter__(self) -> Iterator[list[int]]:
        order = epoch_order(self.shard_sizes, seed=self.seed, epoch=self.epoch, lanes=self.lanes, shuffle=self.shuffle)
        batch_at = self._filled(order) if self.grouping is None else self._grouped(order, self.grouping)
        # A generator expression and not `yield`: epoch and start are those of now, not of the first batch drawn.
        return (
            batch_at(batch)[self.process_index :: self.num_processes].tolist() for batch in range(self.start, len(self))
        )

    def _filled(self, order: np.ndarray) -> Callable[[int], np.ndarray]:
        size = self.batch_size * self.num_processes
        filled = np.resize(order, len(self) * size)  # repeats from the start
        return lambda batch: filled[batch * size : (batch + 1) * size]

    def _grouped(self, order: np.ndarray, grouping: Grouping) -> Callable[[int], np.ndarray]:
        steps: list[np.ndarray] = []
        groups = grouping.group_of_row[order]
        for group, batch_size in enumerate(grouping.batch_sizes):
            rows = order[groups == group]
            size = batch_size * self.num_processes
            for first in range(0, len(rows), size):
                step = rows[first : first + size]
                # every process needs a row, and all of them equally many
                steps.append(np.resize(step, -(-len(step) // self.num_processes) * self.num_processes))
        if not self.shuffle:
            return steps.__getitem__
        visited = shuffled_indices(len(steps), self.seed, self.epoch, _BATCHES_STREAM)
        return lambda batch: steps[visited[batch]]
