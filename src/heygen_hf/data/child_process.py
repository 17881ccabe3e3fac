"""A child process to break in place of its parent.

What may crash, hang or ask for all the memory (a decoder on a damaged file) runs in a child made by plain
`os.fork`: the workers of a `DataLoader` are daemons, which may not start processes through `multiprocessing`.
A fork starts in milliseconds and has every module imported already.

Only on Linux (`can_fork()`). The messages are pickles over a private socket from and to our own fork, so
nobody else can write them.
"""

import contextlib
import faulthandler
import gc
import mmap
import os
import signal
import socket
import sys
import threading
import time
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import Any

import torch

from heygen_hf.data.messages import CarriedError, Connection, EncodedMessage

_READY_WITHIN_SECONDS = 20.0  # a fork is ready at once, unless another thread held a lock that it now waits for
_STARTS_TRIED = 3
_GRACE_SECONDS = 5.0  # the child's own alarm ends a call in time; the parent steps in where even that fails
_MAX_QUEUED_BYTES = 4096  # larger calls wait until the child reads, or both sides could wait for each other


class ChildFailedError(RuntimeError):
    """The child crashed or took too long; the message completes "its decoder …"."""


@dataclass(frozen=True)
class Outcome:
    """What became of one call: a value, or the exception to raise instead."""

    value: Any = None
    error: BaseException | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


def can_fork() -> bool:
    """Whether calls can be given to a child here. macOS has `fork`, but its own libraries crash after it."""
    return sys.platform == "linux"


# A fork from another thread must not inherit the child's end of the socket, which would hide that child's death.
_fork_lock = threading.Lock()


def _unlock_in_child() -> None:
    global _fork_lock
    _fork_lock = threading.Lock()


if can_fork():
    os.register_at_fork(after_in_child=_unlock_in_child)


_alive: "weakref.WeakSet[ForkedChild]" = weakref.WeakSet()


class ForkedChild:
    """Runs `function(*args, **kwargs)` for every `send`, one after the other, until it fails or is closed.

    Args:
        function: known to the child by the fork, so it may be a closure; only arguments and results travel.
        memory_limit_bytes: what the child may take beyond what its parent had; more is a `MemoryError` in it.
        shared_bytes: size of a shared mapping that hands arrays over with one copy on each side instead of
            through the socket. Only with one call on its way at a time.

    Raises:
        ChildFailedError: it does not start.
    """

    pid: int
    _connection: Connection

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        memory_limit_bytes: int | None = None,
        shared_bytes: int = 0,
    ) -> None:
        self.owner = os.getpid()  # a copy of this object in a fork of the owner must leave the child alone
        self._time_limits: deque[float | None] = deque()
        self._working_since = 0.0
        for _ in range(_STARTS_TRIED):
            self._start(function, memory_limit_bytes, shared_bytes)
            if self._connection.wait_until_ready(_READY_WITHIN_SECONDS):
                return
            self.close()
        raise ChildFailedError(f"could not be started in a process of its own, {_STARTS_TRIED} times")

    def _start(self, function: Callable[..., Any], memory_limit_bytes: int | None, shared_bytes: int) -> None:
        shared = mmap.mmap(-1, shared_bytes) if shared_bytes else None  # anonymous: nothing is ever left behind
        for stream in (sys.stdout, sys.stderr):  # or the child would print what waits there a second time
            if stream is not None:
                stream.flush()
        with _fork_lock:
            ours, theirs = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                try:
                    ours.close()
                    for sibling in list(_alive):  # who would else not learn from us that our common parent is gone
                        sibling._connection.close()
                    _serve(Connection(theirs, shared), function, memory_limit_bytes)
                finally:
                    os._exit(0)
            theirs.close()
        self.pid = pid
        self._connection = Connection(ours, shared)
        _alive.add(self)
        # unlike `atexit`, this also runs when a worker of multiprocessing ends: no zombie stays behind
        self._finalize = Finalize(self, _end, (pid, ours), exitpriority=10)

    @property
    def num_waiting(self) -> int:
        """Calls sent whose outcome was not received yet."""
        return len(self._time_limits)

    def fileno(self) -> int:
        """For `select`: readable when an outcome, or the news of the child's death, has come."""
        return self._connection.fileno()

    def send(
        self, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None, *, time_limit_seconds: float | None = None
    ) -> bool:
        """Queue one call; False: it is too large to queue behind another one. That the child died is said by
        `receive`."""
        message = EncodedMessage((time_limit_seconds, tuple(args), dict(kwargs or {})))
        if self._time_limits and message.num_bytes > _MAX_QUEUED_BYTES:
            return False
        if not self._time_limits:
            self._working_since = time.monotonic()
        self._time_limits.append(time_limit_seconds)
        with contextlib.suppress(OSError):  # dead, or stuck
            self._connection.send(message, timeout_seconds=self.seconds_left())
        return True

    def seconds_left(self) -> float | None:
        """Until the call at work is overdue; None: it may take for ever."""
        limit = self._time_limits[0] if self._time_limits else None
        return None if limit is None else max(0.001, self._working_since + limit + _GRACE_SECONDS - time.monotonic())

    def receive(self) -> Outcome:
        """The outcome of the oldest call.

        Raises:
            ChildFailedError: the child crashed on it, or took too long and was ended. It is closed then, and
                the calls sent after this one are lost.
        """
        limit = self._time_limits[0]
        try:
            value, error = self._connection.receive(timeout_seconds=self.seconds_left())
        except TimeoutError:
            self.close()
            raise ChildFailedError(_too_long(limit)) from None
        except EOFError:
            status = self.close()
            alarm = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
            raise ChildFailedError(_too_long(limit) if alarm else _crashed(status)) from None
        except BaseException:  # interrupted within a message: the rest of it must not be taken for the next one
            self.close()
            raise
        self._time_limits.popleft()
        self._working_since = time.monotonic()
        return Outcome(value, error)

    def close(self) -> int | None:
        """End the child; its wait status, None where it was ended before or belongs to another process."""
        _alive.discard(self)
        return self._finalize()


def _too_long(time_limit_seconds: float | None) -> str:
    return f"did not finish within {time_limit_seconds or 0:g} seconds"


def _crashed(status: int | None) -> str:
    if status is None:
        return "crashed"
    if os.WIFEXITED(status):
        return f"crashed (exit code {os.WEXITSTATUS(status)})"
    number = os.WTERMSIG(status)
    return f"crashed (signal {number}{', most likely for want of memory' if number == signal.SIGKILL else ''})"


def _end(pid: int, connection: socket.socket) -> int | None:
    """Collect the child, which is killed unless it is dead already; its wait status."""
    connection.close()
    try:
        for attempt in range(2000):  # not for ever: what waits for a dead network disk cannot be killed
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            if attempt == 20:  # the connection ends a moment before the process, whose own end is the better reason
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)
    except (ChildProcessError, ProcessLookupError):
        pass  # somebody else collected it
    return None


def _serve(connection: Connection, function: Callable[..., Any], memory_limit_bytes: int | None) -> None:
    """The child's life. It ends with the connection, so with its parent."""
    _settle(memory_limit_bytes)
    connection.say_ready()
    while True:
        try:
            time_limit_seconds, args, kwargs = connection.receive(timeout_seconds=None)
        except EOFError:
            return
        if time_limit_seconds is not None:
            # the kernel's alarm ends us in any loop of any library, even where the parent is gone
            signal.setitimer(signal.ITIMER_REAL, time_limit_seconds)
        try:
            answer = EncodedMessage((function(*args, **kwargs), None))
        except BaseException as error:
            answer = EncodedMessage((None, CarriedError(error, traceback.format_exc())))
        signal.setitimer(signal.ITIMER_REAL, 0)
        del args, kwargs
        connection.send(answer, timeout_seconds=None)


def _settle(memory_limit_bytes: int | None) -> None:
    import resource  # not on Windows

    faulthandler.disable()  # a crash here is expected, and told by the parent
    defaults = ("SEGV", "BUS", "FPE", "ILL", "ABRT", "TERM", "ALRM", "CHLD")  # a DataLoader's worker handles some
    for name in defaults:
        signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches us too; the parent decides
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory_limit_bytes is not None:
        with open("/proc/self/statm") as file:
            mapped_bytes = int(file.read().split()[0]) * mmap.PAGESIZE
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = mapped_bytes + memory_limit_bytes
        resource.setrlimit(resource.RLIMIT_AS, (wanted if most < 0 else min(wanted, most), most))
    gc.freeze()  # or the collector's marks would copy every page that is shared with the parent
    torch.set_num_threads(1)  # OpenMP's threads do not survive a fork; waiting for them would never end
