from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, Subset

from heygen_hf.data.clips.subset import ClipSubset
from heygen_hf.data.loading import ClipLoader, EpochBatches, Grouping
from heygen_hf.training.monitoring.batch_names import names_of_rows, names_of_step


class Numbers(Dataset):
    file_names = [f"{i}.mp4" for i in range(10)]  # noqa: RUF012

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> int:
        return index


@pytest.mark.parametrize("accumulation", [1, 2])
@pytest.mark.parametrize("grouped", [False, True])
def test_names_are_those_that_the_loader_hands_out(accumulation: int, grouped: bool) -> None:
    grouping = Grouping(np.arange(10) % 2, (2, 3)) if grouped else None
    batches = EpochBatches(
        [10], batch_size=2, seed=3, process_index=1, num_processes=2, accumulation_steps=accumulation, grouping=grouping
    )
    loader = ClipLoader(Numbers(), batches=batches, collate=list)
    step = 0
    for _ in range(3):
        drawn = list(loader)
        for first in range(0, len(drawn), accumulation):
            rows = [row for batch in drawn[first : first + accumulation] for row in batch]
            found = names_of_step(loader, steps_done=step, accumulation_steps=accumulation)
            assert found == [f"{row}.mp4" for row in rows]
            step += 1
    # Asking has moved nothing.
    assert loader.batches.epoch == 3


def test_names_through_what_a_data_set_is_wrapped_in() -> None:
    clips = Numbers()
    assert names_of_rows(ClipSubset(clips, [7, 8]), [1, 0]) == ["8.mp4", "7.mp4"]
    assert names_of_rows(Subset(clips, [4, 5]), [1]) == ["5.mp4"]
    repeated = SimpleNamespace(clips=clips, times=3)
    assert names_of_rows(repeated, [2, 12, 29]) == ["2.mp4", "2.mp4", "9.mp4"]
    assert names_of_rows(torch.utils.data.TensorDataset(torch.ones(3)), [2]) == ["row 2"]
    assert names_of_step(None, steps_done=3, accumulation_steps=1) == []
