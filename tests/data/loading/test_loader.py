"""The loader resumes at the very next sample: 50 random positions, 0 and 2 workers, shards and groups."""

import json
import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from heygen_hf.data.loading import ClipLoader, EpochBatches, Grouping
from heygen_hf.processing import fold_seed

NUM_ROWS = 61


class Rows(Dataset):
    """Items that show the row and the epoch's own random draw."""

    def __init__(self) -> None:
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()
        self.read: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.epoch.fill_(epoch)

    def __len__(self) -> int:
        return NUM_ROWS

    def __getitem__(self, index: int) -> dict:
        self.read.append(index)
        problems = [(f"{index}.mp4", "broken")] if index == 7 else []
        return {"row": index, "draw": fold_seed(0, int(self.epoch), index) % 1000, "problems": problems}


def collate(items):
    return {name: torch.tensor([item[name] for item in items]) for name in ("row", "draw")}


def make_loader(kind: str, *, num_workers: int) -> ClipLoader:
    grouping = Grouping(group_of_row=np.arange(NUM_ROWS) % 3, batch_sizes=(4, 3, 2)) if kind == "grouped" else None
    sizes = [20, 11, 25, 5] if kind == "shards" else [NUM_ROWS]
    batches = EpochBatches(sizes, batch_size=4, seed=1, grouping=grouping, lanes=2)
    return ClipLoader(Rows(), batches=batches, collate=collate, num_workers=num_workers)


def samples(loader: ClipLoader, *, epochs: int) -> list[list]:
    found = []
    while loader.batches.epoch < epochs:
        for batch in loader:
            found.append(torch.stack([batch["row"], batch["draw"]]).tolist())
    return found


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("kind", ["rows", "shards", "grouped"])
def test_resuming_at_random_positions_continues_the_sequence(kind, num_workers):
    straight = samples(make_loader(kind, num_workers=0), epochs=3)
    per_epoch = len(make_loader(kind, num_workers=0))
    assert len(straight) == 3 * per_epoch
    generator = random.Random(0)
    positions = [generator.randrange(len(straight)) for _ in range(5 if num_workers else 50)]
    for position in positions:
        loader = make_loader(kind, num_workers=num_workers)
        loader.load_state_dict(state_after(position, kind=kind))
        loader.dataset.read.clear()
        assert samples(loader, epochs=3) == straight[position:]
        if num_workers == 0:  # nothing before the position was read again
            assert loader.dataset.read == [row for rows, _ in straight[position:] for row in rows]


def state_after(position: int, *, kind: str) -> dict:
    """The state of a loader that really was interrupted there, through JSON as in a checkpoint."""
    loader = make_loader(kind, num_workers=0)
    handed_out = 0
    while handed_out < position:
        for _ in loader:
            handed_out += 1
            if handed_out == position:
                break
    return json.loads(json.dumps(loader.state_dict()))


def test_the_position_is_of_what_was_handed_out_not_of_what_workers_fetched():
    loader = make_loader("rows", num_workers=2)
    iterator = iter(loader)
    next(iterator), next(iterator)
    assert loader.state_dict()["batch"] == 2


def test_the_global_random_state_does_not_move():
    before = torch.get_rng_state()
    for _ in make_loader("rows", num_workers=0):
        pass
    assert torch.equal(torch.get_rng_state(), before)


def test_problems_are_collected_and_kept_out_of_the_batches():
    loader = make_loader("rows", num_workers=2)
    assert all("problems" not in batch for batch in loader)
    assert loader.problems == {"7.mp4": "broken"}


def test_a_position_of_other_data_is_refused():
    state = make_loader("rows", num_workers=0).state_dict()
    with pytest.raises(ValueError, match="another num_shards"):
        make_loader("shards", num_workers=0).load_state_dict(state)
