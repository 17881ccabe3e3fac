"""SIGTERM and SIGUSR1, as schedulers send them some time before they kill: save, and leave."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch.distributed import ReduceOp

SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name))
# A launcher passes on what the scheduler has sent to everyone already: that is one request, not two.
_SAME_REQUEST_SECONDS = 3.0
# A data worker that was told to stop looks this often whether its trainer is still there.
_LOOK_SECONDS = 5.0


class Preempted(SystemExit):
    """The program ends because it was told to; its exit code is 128 and the signal's number, as a shell has it.

    Attributes:
        step: after which the run was saved; None where nothing was.
    """

    def __init__(self, signum: int, *, step: int | None = None) -> None:
        super().__init__(128 + signum)
        self.step = step
        self.signal_name = signal.Signals(signum).name


class StopRequest:
    """Within `with request:`, SIGTERM and SIGUSR1 are noted instead of ending the program; a second one ends it.

    A handler that the program has set for itself is left alone, and outside the main thread there is none to set.

    Attributes:
        received: the signal's number; 0 while there is none.
    """

    def __init__(self) -> None:
        self.received = 0
        self._received_at = 0.0
        self._group: Any = None

    def __enter__(self) -> "StopRequest":
        self.received = 0  # of an earlier training
        self._before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                if signal.getsignal(signum) in (signal.SIG_DFL, stop_at_once):
                    self._before[signum] = signal.signal(signum, self._note)
        if _processes() > 1 and self._group is None and "gloo" not in torch.distributed.get_backend():
            self._group = torch.distributed.new_group(backend="gloo")  # asking must not wait for a GPU
        return self

    def __exit__(self, *_: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _note(self, signum: int, _frame: FrameType | None) -> None:
        if not self.received:
            self.received, self._received_at = signum, time.monotonic()
        elif time.monotonic() - self._received_at > _SAME_REQUEST_SECONDS:
            raise Preempted(signum)

    def agreed(self) -> int:
        """The signal that any process has received, or 0; all of them must ask, and all get the same answer."""
        if _processes() == 1:
            return self.received
        signum = torch.tensor([self.received])
        torch.distributed.all_reduce(signum, op=ReduceOp.MAX, group=self._group)
        return int(signum.item())


def stop_at_once(signum: int, _frame: FrameType | None) -> None:
    """A signal handler for where there is nothing to save."""
    raise Preempted(signum)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Within it SIGTERM and SIGUSR1 raise [`Preempted`], so that what is open gets closed."""
    before = {signum: signal.signal(signum, stop_at_once) for signum in SIGNALS}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def outlive_preemption(_worker: int) -> None:
    """For data workers: a signal to the whole process group must not take the batches from a step that is to be saved.

    It ends them when the trainer is gone, however long its save takes; a second one at once. (A worker that ended
    before would be an error in the trainer.)
    """
    trainer = os.getppid()

    def wait(_signum: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGALRM, look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_SECONDS, _LOOK_SECONDS)

    def look(_signum: int, _frame: FrameType | None) -> None:
        if os.getppid() != trainer:
            os.kill(os.getpid(), signal.SIGTERM)

    if hasattr(signal, "SIGUSR1"):  # Windows has neither it nor process groups that are told together
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, wait)


def say(line: str) -> None:
    """A line on stderr, now: the scheduler may not wait for a buffer."""
    print(line, file=sys.stderr, flush=True)


def _processes() -> int:
    return torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
