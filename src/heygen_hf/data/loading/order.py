"""The order in which an epoch visits the rows: a function of (seed, epoch), known without reading any."""

from collections.abc import Sequence

import numpy as np

from heygen_hf.processing import fold_seed, shuffled_indices

_SHARDS_STREAM, _ROWS_STREAM = 11, 12  # keep the two shuffles apart


def epoch_order(
    shard_sizes: Sequence[int], *, seed: int, epoch: int, lanes: int = 1, shuffle: bool = True
) -> np.ndarray:
    """Every row once.

    Of several shards the order is shuffled, and the rows within each. `lanes` shards are read at the same time, taken
    in turns: sample p of the epoch comes from lane `p % lanes` while all lanes last, so a process that takes every
    n-th sample reads its own shards only (lanes a multiple of n).

    Args:
        shard_sizes: rows of each shard; rows are numbered through all of them.
        lanes: how many shards are open at a time; at most as many as there are.
        shuffle: False keeps the rows' own order.

    Returns:
        Row numbers, int64 `(rows,)`.
    """
    sizes = np.asarray(shard_sizes, dtype=np.int64)
    total = int(sizes.sum())
    if not shuffle:
        return np.arange(total)
    if len(sizes) == 1:
        return shuffled_indices(total, seed, epoch, _ROWS_STREAM, 0)
    first_row = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    lanes = max(1, min(lanes, len(sizes)))
    visited = shuffled_indices(len(sizes), seed, epoch, _SHARDS_STREAM)
    rows: list[np.ndarray] = []
    turns: list[np.ndarray] = []
    for lane in range(lanes):
        of_lane = [
            first_row[shard] + shuffled_indices(int(sizes[shard]), fold_seed(seed, epoch, _ROWS_STREAM), int(shard))
            for shard in visited[lane::lanes]
        ]
        rows += of_lane
        turns.append(np.arange(sum(map(len, of_lane))) * lanes + lane)
    return np.concatenate(rows)[np.argsort(np.concatenate(turns), kind="stable")]
