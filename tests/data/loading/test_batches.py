"""Order and batches: every row once, the same samples on any number of processes, buckets never mixed."""

from collections import Counter

import numpy as np
import pytest

from heygen_hf.data.loading import EpochBatches, Grouping, batch_sizes_for, epoch_order
from heygen_hf.processing import fold_seed, shuffled, shuffled_indices


def test_shuffled_indices_sorts_by_fold_seed():
    by_hand = sorted(range(500), key=lambda item: (fold_seed(3, 4, item), item))
    assert shuffled_indices(500, 3, 4).tolist() == by_hand == shuffled(500, 3, 4)


@pytest.mark.parametrize("sizes", [[50], [7, 30, 1, 12], [10] * 9])
@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_an_order_has_every_row_once_and_changes_with_epoch_and_seed(sizes, lanes):
    orders = [
        epoch_order(sizes, seed=seed, epoch=epoch, lanes=lanes).tolist() for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    ]
    for order in orders:
        assert sorted(order) == list(range(sum(sizes)))
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    assert epoch_order(sizes, seed=0, epoch=0, lanes=lanes, shuffle=False).tolist() == list(range(sum(sizes)))


def test_lanes_take_turns_so_that_strided_processes_read_disjoint_shards():
    sizes = [10] * 8
    shard_of = np.repeat(np.arange(8), 10)
    order = epoch_order(sizes, seed=0, epoch=0, lanes=4)
    read = [set(shard_of[order[process::2]].tolist()) for process in range(2)]
    assert not read[0] & read[1]
    assert len(read[0] | read[1]) == 8
    assert len(set(shard_of[order[:40]].tolist())) == 4  # four shards at a time, to their end


def test_processes_share_the_same_steps():
    def steps(num_processes: int) -> list[set[int]]:
        per_process = [
            list(
                EpochBatches(
                    [103], batch_size=12 // num_processes, seed=5, process_index=rank, num_processes=num_processes
                )
            )
            for rank in range(num_processes)
        ]
        return [set().union(*map(set, parts)) for parts in zip(*per_process, strict=True)]

    assert steps(1) == steps(2) == steps(4)
    assert set().union(*steps(1)) == set(range(103))


def test_an_epoch_is_filled_to_whole_steps_with_its_first_rows():
    batches = EpochBatches([10], batch_size=4, seed=0, accumulation_steps=2)
    rows = [row for batch in batches for row in batch]
    assert len(batches) == 4
    assert len(rows) == 16
    assert rows[10:] == rows[:6]
    assert sorted(rows[:10]) == list(range(10))


def test_groups_are_never_mixed_never_dropped_and_the_same_on_every_process():
    group_of_row = np.array([0] * 13 + [1] * 5 + [2] * 1)
    grouping = Grouping(group_of_row=group_of_row, batch_sizes=(4, 2, 3))
    processes = [
        list(EpochBatches([19], batch_size=1, seed=0, process_index=rank, num_processes=2, grouping=grouping))
        for rank in range(2)
    ]
    assert (
        len(processes[0])
        == len(processes[1])
        == len(EpochBatches([19], batch_size=1, seed=0, num_processes=2, grouping=grouping))
    )
    for first, second in zip(*processes, strict=True):
        assert len(first) == len(second)
        groups = set(group_of_row[first + second].tolist())
        assert len(groups) == 1
        assert len(first) <= grouping.batch_sizes[groups.pop()]
    seen = Counter(row for batches in processes for batch in batches for row in batch)
    assert set(seen) == set(range(19))
    assert sum(seen.values()) - 19 <= 3  # one to fill each odd leftover


def test_batches_of_groups_come_in_another_order_each_epoch():
    grouping = Grouping(group_of_row=np.arange(40) % 2, batch_sizes=(2, 2))
    batches = EpochBatches([40], batch_size=1, seed=0, grouping=grouping)
    first = list(batches)
    batches.set_epoch(1)
    assert [batch[0] % 2 for batch in first] != sorted(batch[0] % 2 for batch in first)  # groups alternate
    assert list(batches) != first


def test_a_token_budget_gives_batch_sizes():
    assert batch_sizes_for([64, 256, 1000], tokens_per_batch=1024) == (16, 4, 1)
    with pytest.raises(ValueError, match="largest bucket has 2000 tokens; set it to at least 2000"):
        batch_sizes_for([64, 2000], tokens_per_batch=1024)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard_sizes": [0], "batch_size": 2}, "no row"),
        ({"shard_sizes": [3], "batch_size": 0}, "batch_size is 0"),
        ({"shard_sizes": [3], "batch_size": 1, "grouping": Grouping(np.zeros(2, int), (1,))}, "2 rows, the data has 3"),
    ],
)
def test_impossible_batches_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EpochBatches(seed=0, **options)
