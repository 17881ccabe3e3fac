"""Run one function over many items on all cores, in order, with a progress bar."""

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 8  # items handed to a worker at a time
_WORTH_A_WORKER = 32  # with fewer items for each, starting workers costs more than it saves
_CHUNKS_AHEAD = 4  # per worker: finished results wait in memory until the consumer takes them


def available_cores() -> int:
    """Cores this process may use, which in a container are often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_thread_each() -> None:
    import torch

    torch.set_num_threads(1)


def _executor(num_workers: int) -> Executor:
    # Forked workers start at once and, unlike spawned ones, do not run the caller's script again. Where
    # forking is unsafe (macOS) or missing (Windows), threads: FFmpeg runs outside the interpreter's lock.
    if sys.platform == "linux":
        context = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(num_workers, mp_context=context, initializer=_one_thread_each)
    return ThreadPoolExecutor(num_workers)


def _run_chunk(function: Callable[[Item], Result], chunk: Sequence[Item]) -> list[Result]:
    return [function(item) for item in chunk]


def _in_order(
    executor: Executor, function: Callable[[Item], Result], items: Sequence[Item], *, chunks_ahead: int
) -> Iterator[Result]:
    pending: deque[Future[list[Result]]] = deque()
    for start in range(0, len(items), _CHUNK):
        pending.append(executor.submit(_run_chunk, function, items[start : start + _CHUNK]))
        if len(pending) > chunks_ahead:
            yield from pending.popleft().result()
    while pending:
        yield from pending.popleft().result()


def map_in_workers(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    description: str,
    num_workers: int | None = None,
    progress: bool = True,
) -> Iterator[Result]:
    """`function(item)` for each item, in the order of the items.

    Args:
        function: picklable, as are the items and results.
        description: shown in front of the progress bar.
        num_workers: processes; None for one per core, 0 or 1 for none (a few items never need one).

    Raises:
        RuntimeError: a worker died, for want of memory or inside a library.
    """
    from tqdm.auto import tqdm

    if num_workers is None:
        num_workers = available_cores()
    num_workers = min(num_workers, len(items) // _WORTH_A_WORKER)

    def shown(results: Iterable[Result]) -> Iterator[Result]:
        return iter(tqdm(results, desc=description, total=len(items), disable=not progress, unit="clip"))

    if num_workers <= 1:
        yield from shown(map(function, items))
        return
    with _executor(num_workers) as executor:
        try:
            yield from shown(_in_order(executor, function, items, chunks_ahead=_CHUNKS_AHEAD * num_workers))
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"{description}: a worker process died, most likely for want of memory; try fewer workers"
            ) from error
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
