"""Shards as a `datasets.IterableDataset` that resumes in O(1)."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from datasets.iterable_dataset import _BaseExamplesIterable

from heygen_hf.data.sources.columns import make_info
from heygen_hf.data.sources.mixture import Lane, make_lanes

if TYPE_CHECKING:
    import datasets

    from heygen_hf.data.sources.shards import VideoShards


def stream_shards(shards: "VideoShards") -> "datasets.IterableDataset":
    """The rows in order, with a shard of the stream for each shard of the source."""
    import datasets

    info = make_info(shards.features, shards.notes)
    return datasets.IterableDataset(ShardRows(shards, make_lanes(shards)), info=info)


class ShardRows(_BaseExamplesIterable):
    """Rows of shards by number.

    `datasets` would put rows through `encode_example`, which refuses rows without a clip and drops bytes whose name is
    a file of the current folder; and it resumes by reading again what was read. This reads the next row at once.
    """

    def __init__(self, shards: "VideoShards", lanes: "Sequence[Lane]", *, key: int = 0) -> None:
        super().__init__()
        self.shards, self.lanes, self.key = shards, list(lanes), key
        self._state_dict: dict[str, Any] | None
        self._sleep_on_threads_shutdown = False

    @property
    def is_typed(self) -> bool:
        return True

    @property
    def features(self) -> "datasets.Features":
        return self.shards.features

    @property
    def num_shards(self) -> int:
        return len(self.lanes)

    def _init_state_dict(self) -> dict[str, Any]:
        state = {"shard_idx": 0, "shard_example_idx": 0, "type": self.__class__.__name__}
        self._state_dict = state
        return state

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        state: dict[str, Any] = {"shard_idx": 0, "shard_example_idx": 0}
        if self._state_dict is not None:
            state = self._state_dict  # the very one: it is read while this runs
        while state["shard_idx"] < len(self.lanes):
            order = self.lanes[state["shard_idx"]].order(self.key)
            for place in range(state["shard_example_idx"], len(order)):
                row = self.shards[int(order[place])]
                state["shard_example_idx"] = place + 1
                yield f"{state['shard_idx']}_{place}", row
            state["shard_idx"] += 1
            state["shard_example_idx"] = 0

    def shuffle_data_sources(self, generator: np.random.Generator) -> "ShardRows":
        places = generator.permutation(len(self.lanes))
        key = int(generator.integers(2**31))
        return ShardRows(self.shards, [self.lanes[place] for place in places], key=key)

    def shard_data_sources(self, num_shards: int, index: int, contiguous: bool = True) -> "ShardRows":
        places = self.split_shard_indices_by_worker(num_shards, index, contiguous=contiguous)
        return ShardRows(self.shards, [self.lanes[place] for place in places], key=self.key)

    def reshard_data_sources(self) -> "ShardRows":
        return self
