"""Work on all cores: order, errors, and workers that die or hang."""

import os
import signal
import time
from functools import partial

import numpy as np
import pytest

from heygen_hf.data.child_process import can_fork
from heygen_hf.data.parallel import map_in_workers

needs_fork = pytest.mark.skipif(not can_fork(), reason="forking is unsafe here")


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


def _process_id(_: int) -> int:
    return os.getpid()


def _misbehave(number: int, *, every: int) -> str:
    if number % every == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 5:
        time.sleep(100)
    if number == 11:
        return f"{np.ones(2**40, dtype=np.uint8).size}"
    return f"{number} done"


@pytest.mark.parametrize("num_workers", [0, 1, 2, None])
def test_results_come_in_the_order_of_the_items(num_workers):
    results = map_in_workers(_square, range(300), description="", num_workers=num_workers, progress=False)
    assert list(results) == [number * number for number in range(300)]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_an_error_reaches_the_caller(num_workers):
    with pytest.raises(ValueError, match="seven"):
        list(map_in_workers(_fail_at_seven, range(100), description="", num_workers=num_workers, progress=False))


@needs_fork
def test_a_dead_worker_is_an_error_that_says_what_it_was_doing():
    with pytest.raises(RuntimeError, match="Decoding clips: a worker process died"):
        list(map_in_workers(_die_at_seven, range(100), description="Decoding clips", num_workers=2, progress=False))


@needs_fork
def test_an_item_that_takes_too_long_is_an_error_that_names_it():
    with pytest.raises(RuntimeError, match=r"Decoding: the process working on 5 did not finish within 0\.2 seconds"):
        list(
            map_in_workers(
                partial(_misbehave, every=1000),
                range(4, 10),
                description="Decoding",
                time_limit_seconds=0.2,
                progress=False,
            )
        )


@needs_fork
def test_a_flood_of_memory_is_an_error_in_the_function():
    with pytest.raises(MemoryError):
        list(
            map_in_workers(
                partial(_misbehave, every=1000),
                [11],
                description="",
                progress=False,
                memory_limit_gibibytes=1.0,
                on_failure=lambda number, reason: reason,
            )
        )


@needs_fork
@pytest.mark.parametrize("num_workers", [1, 2])
def test_large_items_and_results_pass(num_workers):
    items = [np.full(300_000 + number, number, dtype=np.uint8).tobytes() for number in range(70)]
    results = map_in_workers(
        bytes.swapcase, items, description="", num_workers=num_workers, progress=False, time_limit_seconds=60
    )
    assert list(results) == [item.swapcase() for item in items]


@needs_fork
def test_a_map_that_is_not_used_up_ends_its_workers():
    results = map_in_workers(_process_id, range(200), description="", num_workers=2, progress=False)
    pids = {next(results), *(next(results) for _ in range(20))}
    results.close()
    assert pids != {os.getpid()}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@needs_fork
@pytest.mark.parametrize(("num_items", "num_workers", "every"), [(100, 2, 10), (10, None, 4), (90, 2, 6)])
def test_the_other_items_get_their_results_in_order(num_items, num_workers, every):
    numbers = [number for number in range(num_items) if number != 11]
    results = map_in_workers(
        partial(_misbehave, every=every),
        numbers,
        description="",
        num_workers=num_workers,
        progress=False,
        time_limit_seconds=0.3,
        on_failure=lambda number, reason: f"{number}: {reason}",
    )
    for number, result in zip(numbers, results, strict=True):
        if number % every == 3:
            assert result == f"{number}: the process working on it crashed (signal 11)"
        elif number == 5:
            assert result == "5: the process working on it did not finish within 0.3 seconds"
        else:
            assert result == f"{number} done"
