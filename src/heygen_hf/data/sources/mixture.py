"""Several sources as one: how often each is drawn, and in which order."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heygen_hf.processing import fold_seed

if TYPE_CHECKING:
    from heygen_hf.data.sources.shards import Shard, VideoShards


def check_weights(weights: Sequence[float], names: Sequence[str]) -> list[float]:
    """Weights as shares that sum to 1.

    Raises:
        ValueError: not one for each source, or not positive and finite.
    """
    if len(weights) != len(names):
        raise ValueError(f"mixing_weights has {len(weights)} numbers for {len(names)} sources; expected one for each")
    bad = [weight for weight in weights if not (np.isfinite(weight) and weight > 0)]
    if bad:
        raise ValueError(f"mixing_weights has {bad[0]}; expected positive numbers (leave a source out instead of 0)")
    return [float(weight) / float(sum(weights)) for weight in weights]


def draws_per_epoch(sizes: Sequence[int], shares: Sequence[float]) -> list[int]:
    """How many rows of each source an epoch draws: none less than all of them, in proportion to the shares."""
    total = max(size / share for size, share in zip(sizes, shares, strict=True))
    return [max(size, round(total * share)) for size, share in zip(sizes, shares, strict=True)]


def repeat_rows(size: int, draws: int, *, seed: int) -> np.ndarray:
    """`draws` row numbers of a source: every row as often as any other, the remainder chosen by the seed."""
    whole, rest = divmod(draws, size)
    chosen = np.sort(np.random.default_rng(seed).permutation(size)[:rest])
    return np.concatenate([np.tile(np.arange(size), whole), chosen]).astype(np.int64)


@dataclass
class Lane:
    """A part of a stream that one worker reads: rows of one shard, or of a few shards of several sources.

    Attributes:
        parts: rows of each source, in the order in which they are read.
        seed: of the order in which the sources take turns.
    """

    parts: "list[np.ndarray | range]"
    seed: int = 0

    def order(self, key: int) -> "np.ndarray | range":
        """Row numbers; for several sources, which is next is drawn in proportion to what each has left."""
        if len(self.parts) == 1:
            return self.parts[0]
        turns = np.repeat(np.arange(len(self.parts)), [len(part) for part in self.parts])
        np.random.default_rng(fold_seed(self.seed, key)).shuffle(turns)
        rows = np.empty(len(turns), dtype=np.int64)
        for source, part in enumerate(self.parts):
            rows[turns == source] = np.asarray(part)
        return rows


def make_lanes(shards: "VideoShards") -> list[Lane]:
    """A lane for each shard; of a mixture, as many lanes, in which all sources take turns."""
    ends = [0, *itertools.accumulate(shards.num_rows_per_shard)]
    ranges = [range(start, stop) for start, stop in itertools.pairwise(ends)]
    if shards.mixing_weights is None:
        return [Lane([rows]) for rows in ranges]
    by_source: dict[str | None, list[range]] = {}
    for shard, rows in zip(shards.shards, ranges, strict=True):
        by_source.setdefault(shard.source, []).append(rows)
    drawn = [np.concatenate([np.asarray(rows, dtype=np.int64) for rows in parts]) for parts in by_source.values()]
    count = min(len(shards.shards), *(len(rows) for rows in drawn))
    parts = [np.array_split(rows, count) for rows in drawn]
    return [Lane([part[lane] for part in parts], seed=fold_seed(shards.seed, lane)) for lane in range(count)]


def repeat_shards(shards: "Sequence[Shard]", draws: int, *, seed: int) -> "list[Shard]":
    """The shards of one source, of which an epoch draws `draws` rows: each shard its part of them."""
    from heygen_hf.data.sources.shards import RepeatedShard

    total = sum(shard.num_rows for shard in shards)
    if draws == total:
        return list(shards)
    ends = itertools.accumulate(shard.num_rows for shard in shards)
    # rounded half up, so that a shard's part is never below its rows
    bounds = [0, *(int(np.floor(end * draws / total + 0.5)) for end in ends)]
    return [
        RepeatedShard(shard, repeat_rows(shard.num_rows, stop - start, seed=fold_seed(seed, number)), shard.source)
        for number, (shard, (start, stop)) in enumerate(zip(shards, itertools.pairwise(bounds), strict=True))
    ]
