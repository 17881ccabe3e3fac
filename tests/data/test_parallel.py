"""Work on all cores: order, errors, and a dead worker."""

import os

import pytest

from heygen_hf.data.parallel import map_in_workers


def _square(number: int) -> int:
    return number * number


def _fail_at_seven(number: int) -> int:
    if number == 7:
        raise ValueError("seven")
    return number


def _die_at_seven(number: int) -> int:
    if number == 7:
        os._exit(1)
    return number


@pytest.mark.parametrize("num_workers", [0, 1, 2, None])
def test_results_come_in_the_order_of_the_items(num_workers):
    results = map_in_workers(_square, range(300), description="", num_workers=num_workers, progress=False)
    assert list(results) == [number * number for number in range(300)]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_reaches_the_caller(num_workers):
    with pytest.raises(ValueError, match="seven"):
        list(map_in_workers(_fail_at_seven, range(100), description="", num_workers=num_workers, progress=False))


def test_a_dead_worker_is_an_error_that_says_what_it_was_doing():
    with pytest.raises(RuntimeError, match="Decoding clips: a worker process died"):
        list(map_in_workers(_die_at_seven, range(100), description="Decoding clips", num_workers=2, progress=False))
