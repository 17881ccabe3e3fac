"""A data loader that knows where it is and can go on from there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from heygen_hf.data.loading.batches import EpochBatches

PROBLEMS = "problems"


class CollateWithProblems:
    """A collator that hands on what a data set's items say of clips they could not read.

    The batch then has a key "problems", `[(file_name, reason), …]`; `take_problems` takes it out again.
    """

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: Sequence[Any]) -> Any:
        problems = [item[PROBLEMS] for item in items if isinstance(item, Mapping) and item.get(PROBLEMS)]
        batch = self.collate(list(items))
        return {**batch, PROBLEMS: [line for lines in problems for line in lines]} if problems else batch


def take_problems(batch: Any) -> list[tuple[str, str]]:
    """Remove a batch's report of unreadable clips and return it."""
    return batch.pop(PROBLEMS, []) if isinstance(batch, dict) else []


class ClipLoader(DataLoader):
    """A `DataLoader` over `EpochBatches` with an exact position.

    `state_dict()` is the position after the last batch handed out (whatever workers have fetched ahead);
    `load_state_dict` goes on at the very next batch, in any epoch, with any number of workers, without reading what was
    passed over. Iterating to the end moves on to the next epoch. The global random state is neither read nor moved.

    Args:
        dataset: map-style; `set_epoch` is called where it has one.
        batches: which rows make up each batch.
        collate: from items to a batch.
        num_workers, options: as for `DataLoader`.

    Attributes:
        problems: `{file_name: reason}` of clips that could not be read while training; others took their places.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        batches: EpochBatches,
        collate: Callable[[list[Any]], Any],
        num_workers: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(
            dataset,
            batch_sampler=batches,
            collate_fn=CollateWithProblems(collate),
            num_workers=num_workers,
            generator=torch.Generator(),  # or each iteration would draw a seed from the global one
            **options,
        )
        self.problems: dict[str, str] = {}
        self._position = 0

    @property
    def batches(self) -> EpochBatches:
        """The batches of this process."""
        assert isinstance(self.batch_sampler, EpochBatches)
        return self.batch_sampler

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; the epoch it stands in already is left where it is."""
        if epoch != self.batches.epoch:
            self.batches.set_epoch(epoch)
            self._position = 0

    def state_dict(self) -> dict[str, Any]:
        """The position: plain numbers, for JSON."""
        return {"epoch": self.batches.epoch, "batch": self._position, "order": self._order_facts()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a position.

        Raises:
            ValueError: it is a position in other data or other batches.
        """
        if state["order"] != self._order_facts():
            differing = [name for name, value in self._order_facts().items() if state["order"].get(name) != value]
            raise ValueError(
                f"the position was saved with another {', '.join(differing)}: "
                f"{[state['order'].get(name) for name in differing]} instead of "
                f"{[self._order_facts()[name] for name in differing]}; go on with the same data and batches"
            )
        self.batches.set_epoch(state["epoch"])
        self._position = state["batch"]

    def _order_facts(self) -> dict[str, Any]:
        batches = self.batches
        return {
            "seed": batches.seed,
            "num_rows": batches.num_rows,
            "num_shards": len(batches.shard_sizes),
            "batches_per_epoch": len(batches),
            "samples_per_batch": batches.largest_batch_size * batches.num_processes,
        }

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        set_data_epoch = getattr(self.dataset, "set_epoch", None)
        if set_data_epoch is not None:
            set_data_epoch(self.batches.epoch)
        self.batches.start_at(self._position)
        fetched = super().__iter__()
        self.batches.start_at(0)  # the iterator has taken its start; nobody else must
        return self._counted(fetched)

    def _counted(self, fetched: Iterator[Any]) -> Iterator[Any]:
        for batch in fetched:
            self._position += 1
            self.problems.update(take_problems(batch))
            yield batch
        self.batches.set_epoch(self.batches.epoch + 1)
        self._position = 0
