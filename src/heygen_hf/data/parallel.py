"""Run one function over many items on all cores, in order, with a progress bar; one bad item is one bad result."""

import os
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from heygen_hf.data.child_process import ChildFailedError, ForkedChild, Outcome, can_fork

Item = TypeVar("Item")
Result = TypeVar("Result")

_WORTH_A_WORKER = 32  # with fewer items for each, starting workers costs more than it saves
_QUEUED = 4  # items that each worker has before it, so that it need not wait for the consumer of the results
_AHEAD = 16  # per worker: finished results wait in memory until the consumer takes them


def available_cores() -> int:
    """Cores this process may use, which in a container are often fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_workers(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    description: str,
    num_workers: int | None = None,
    progress: bool = True,
    time_limit_seconds: float | None = None,
    on_failure: Callable[[Item, str], Result] | None = None,
    memory_limit_gibibytes: float | None = None,
) -> Iterator[Result]:
    """`function(item)` for each item, in the order of the items.

    Args:
        function: workers know it by their fork; items and results must be picklable.
        description: shown in front of the progress bar.
        num_workers: processes; None for one per core, 0 or 1 for none (a few items never need one), unless one of
            the options below asks for a process that may break.
        time_limit_seconds: for each item; a worker that takes longer is ended.
        on_failure: `(item, reason)` gives the result of an item that ended its worker or took too long ("the
            process working on it crashed (signal 11)"); all others get theirs. Exceptions of `function` are no such
            failure: they are raised.
        memory_limit_gibibytes: what each worker may map beyond its parent; more is a `MemoryError` in `function`.

    The last three hold on Linux. Elsewhere forking is unsafe or missing, and threads do the work: FFmpeg runs
    outside the interpreter's lock.

    Raises:
        RuntimeError: an item ended its worker, or took too long, and there is no `on_failure`.
    """
    from tqdm.auto import tqdm

    if num_workers is None:
        num_workers = available_cores()
    num_workers = min(num_workers, len(items) // _WORTH_A_WORKER)
    if can_fork() and (time_limit_seconds, on_failure, memory_limit_gibibytes) != (None, None, None):
        num_workers = min(max(num_workers, 1), len(items))
        is_forked = True
    else:
        is_forked = can_fork() and num_workers > 1

    results: Iterable[Result]
    if is_forked:
        memory_limit = None if memory_limit_gibibytes is None else int(memory_limit_gibibytes * 2**30)
        results = _Workers(function, items, num_workers, time_limit_seconds, memory_limit, on_failure, description)
    elif num_workers > 1:
        results = _in_threads(function, items, num_workers)
    else:
        results = map(function, items)
    yield from tqdm(results, desc=description, total=len(items), disable=not (progress and len(items)), unit="clip")


class _Workers(Generic[Item, Result]):
    """The items on their way through a few children; each child has a few of them before it, the oldest at work."""

    def __init__(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        num_workers: int,
        time_limit_seconds: float | None,
        memory_limit_bytes: int | None,
        on_failure: Callable[[Item, str], Result] | None,
        description: str,
    ) -> None:
        self.function, self.items, self.num_workers = function, items, num_workers
        self.time_limit_seconds, self.memory_limit_bytes = time_limit_seconds, memory_limit_bytes
        self.on_failure, self.description = on_failure, description
        self._given: dict[ForkedChild, deque[int]] = {}
        self._again: list[int] = []  # queued behind an item that ended their worker
        self._next = 0
        self._done: dict[int, Outcome] = {}

    def __iter__(self) -> Iterator[Result]:
        try:
            for number in range(len(self.items)):
                while number not in self._done:
                    self._give_out(up_to=number + _AHEAD * self.num_workers)
                    self._take_in()
                yield self._done.pop(number).result()
        finally:
            for child in self._given:
                child.close()

    def _give_out(self, *, up_to: int) -> None:
        """Fill the queues of the workers, the emptiest first."""
        while self._again or self._next < min(up_to, len(self.items)):
            if len(self._given) < self.num_workers:
                child = ForkedChild(self.function, memory_limit_bytes=self.memory_limit_bytes)
                self._given[child] = deque()
            child = min(self._given, key=lambda child: len(self._given[child]))
            if len(self._given[child]) >= _QUEUED:
                return
            number = self._again[0] if self._again else self._next
            if not child.send((self.items[number],), time_limit_seconds=self.time_limit_seconds):
                return  # too large to wait in a queue
            self._given[child].append(number)
            if self._again:
                self._again.pop(0)
            else:
                self._next += 1

    def _take_in(self) -> None:
        """Wait until a worker has something to tell, or is overdue."""
        at_work = [child for child, numbers in self._given.items() if numbers]
        left = [seconds for child in at_work if (seconds := child.seconds_left()) is not None]
        with selectors.DefaultSelector() as selector:
            for child in at_work:
                selector.register(child, selectors.EVENT_READ)
            ready: list[Any] = [key.fileobj for key, _ in selector.select(min(left) if left else None)]
        for child in ready or [min(at_work, key=lambda child: child.seconds_left() or 0.0)]:
            number = self._given[child].popleft()
            try:
                self._done[number] = child.receive()
            except ChildFailedError as error:
                self._again = sorted([*self._again, *self._given.pop(child)])
                self._done[number] = self._failed(self.items[number], str(error))

    def _failed(self, item: Item, reason: str) -> Outcome:
        if self.on_failure is not None:
            return Outcome(self.on_failure(item, f"the process working on it {reason}"))
        if "crashed" in reason:
            what = f"a worker process died, most likely for want of memory; try fewer workers (it {reason})"
        else:
            what = f"the process working on {item!r:.200} {reason}"
        return Outcome(error=RuntimeError(f"{self.description}: {what}"))


def _in_threads(function: Callable[[Item], Result], items: Sequence[Item], num_workers: int) -> Iterator[Result]:
    with ThreadPoolExecutor(num_workers) as executor:
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(executor.submit(function, item))
                if len(pending) > _AHEAD * num_workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=True, cancel_futures=True)
