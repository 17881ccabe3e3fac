from pathlib import Path

import pytest

from heygen_hf.training.checkpoints.progress import Progress


def two_processes() -> Progress:
    sums = [{"counts": {"a": 2.0, "b": 1.0}, "sums": [1.0, 3.0]}, {"counts": {"a": 4.0}, "sums": [5.0, 7.0]}]
    return Progress(
        processes=2, batch_size=4, accumulation_steps=1, loss_since_logged=[0.1, 0.3], sums_since_logged=sums
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert Progress.load(tmp_path) is None
    progress = two_processes()
    progress.loss_since_logged[0] = 1 / 3
    progress.save(tmp_path)
    assert Progress.load(tmp_path) == progress


def test_each_process_takes_up_its_own_and_others_the_mean() -> None:
    progress = two_processes()
    assert progress.of_process(1, 2) == (0.3, progress.sums_since_logged[1])
    loss, sums = progress.of_process(3, 4)
    assert loss == pytest.approx(0.2)
    assert sums == {"counts": {"a": 3.0, "b": 0.5}, "sums": [3.0, 5.0]}


@pytest.mark.parametrize(
    ("processes", "batch_size", "accumulation_steps", "remedy"),
    [
        (1, 4, 1, r"set training\.per_device_train_batch_size=8"),
        (2, 4, 2, r"set training\.per_device_train_batch_size=2"),
        (3, 4, 1, r"start it on 2 processes, or share 8 samples out evenly"),
    ],
)
def test_other_steps_are_refused_with_a_remedy(
    processes: int, batch_size: int, accumulation_steps: int, remedy: str
) -> None:
    with pytest.raises(ValueError, match=f"checkpoint-1 is of a run with 8 samples a step .*{remedy}"):
        two_processes().check_steps_are_those_of(
            processes=processes, batch_size=batch_size, accumulation_steps=accumulation_steps, name="checkpoint-1"
        )


def test_as_many_samples_a_step_are_the_same_steps() -> None:
    for processes, batch_size, accumulation_steps in ((1, 8, 1), (1, 2, 4), (4, 1, 2)):
        two_processes().check_steps_are_those_of(
            processes=processes, batch_size=batch_size, accumulation_steps=accumulation_steps, name="checkpoint-1"
        )
