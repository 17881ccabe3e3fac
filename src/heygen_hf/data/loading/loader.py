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
    passed over; also where other processes and accumulation steps share the same optimiser steps. Iterating to the end
    moves on to the next epoch. The global random state is neither read nor moved.

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

    def go_to(self, *, epoch: int, batch: int) -> None:
        """Go to a batch of an epoch."""
        self.batches.set_epoch(epoch)
        self._position = batch

    def state_dict(self) -> dict[str, Any]:
        """The position: plain numbers, for JSON."""
        return {
            "epoch": self.batches.epoch,
            "batch": self._position,
            "batches_per_step": self.batches.accumulation_steps,
            "order": self._order_facts(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a position.

        Raises:
            ValueError: it is a position in other data or other optimiser steps.
        """
        facts = self._order_facts()
        differing = [name for name, value in facts.items() if state["order"].get(name) != value]
        if differing:
            raise ValueError(
                f"the position was saved with another {', '.join(differing)}: "
                f"{[state['order'].get(name) for name in differing]} instead of {[facts[name] for name in differing]}; "
                "go on with the same data and as many samples a step"
            )
        steps, batches = divmod(state["batch"], state["batches_per_step"])
        if batches and state["batches_per_step"] != self.batches.accumulation_steps:
            raise ValueError(
                f"the position was saved within a step of {state['batches_per_step']} batches; go on with as many "
                f"instead of {self.batches.accumulation_steps}"
            )
        self.go_to(epoch=state["epoch"], batch=steps * self.batches.accumulation_steps + batches)

    def _order_facts(self) -> dict[str, Any]:
        """What decides which rows make up which optimiser step."""
        batches = self.batches
        each = batches.num_processes * batches.accumulation_steps
        sizes: int | list[int] = batches.batch_size * each
        if batches.grouping is not None:
            # Here the processes decide how a group's leftover is filled up, and a step may mix groups.
            sizes = [*batches.grouping.batch_sizes, batches.num_processes, batches.accumulation_steps]
        return {
            "seed": batches.seed,
            "num_rows": batches.num_rows,
            "num_shards": len(batches.shard_sizes),
            "steps_per_epoch": -(-len(batches) // batches.accumulation_steps),
            "samples_per_step": sizes,
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
