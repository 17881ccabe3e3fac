"""Decode where nothing can go wrong for long: a crash, an endless loop or a flood of memory costs one sample."""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from heygen_hf.data.child_process import ChildFailedError, ForkedChild, can_fork
from heygen_hf.data.video.errors import BadVideoError

logger = logging.getLogger(__name__)

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_SHARED_BYTES = 64 * 2**20  # address space, of which only what results have touched is real memory


class GuardedCall(Generic[Parameters, Result]):
    """`function`, called in a child process that lives as long as it works and is replaced when it breaks.

    Calls look like calls of the function. Arguments and results must be picklable (tensors and arrays travel
    as raw memory); the function need not be, unless this object itself is pickled. The child is forked at
    the first call in each process that makes one, so the function sees the state of that moment, on one
    thread, without a GPU. Where forking is unsafe (anything but Linux) it runs in the calling process, unguarded.

    Args:
        function: what may break.
        time_limit_seconds: for each call; None for no limit.
        max_memory_gibibytes: what the child may map beyond what the process had at the fork; None for no limit.

    Raises (when called):
        BadVideoError: the child crashed, took too long, or wanted too much memory.
        Exception: what the function raised, as itself; the traceback there is the `__cause__`.
    """

    def __init__(
        self,
        function: Callable[Parameters, Result],
        *,
        time_limit_seconds: float | None = 60.0,
        max_memory_gibibytes: float | None = 4.0,
    ) -> None:
        for name, value in (
            ("time_limit_seconds", time_limit_seconds),
            ("max_memory_gibibytes", max_memory_gibibytes),
        ):
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}; expected a number above 0, or None for no limit")
        self.function = function
        self.time_limit_seconds, self.max_memory_gibibytes = time_limit_seconds, max_memory_gibibytes
        self._forget()

    def _forget(self) -> None:
        self._child: ForkedChild | None = None
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def __reduce__(self) -> Any:
        return _restore, (self.function, self.time_limit_seconds, self.max_memory_gibibytes)

    def __call__(self, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return self.call(args, kwargs, time_limit_seconds=self.time_limit_seconds)

    def call(self, args: Sequence[Any], kwargs: Mapping[str, Any], *, time_limit_seconds: float | None) -> Result:
        """One call with a time limit of its own."""
        if self._owner != os.getpid():  # a fork of ours, such as a DataLoader's worker, needs a child of its own
            self._forget()
        with self._lock:
            if self._child is None:
                self._child = self._started()
            child = self._child
            if child is None:
                return self.function(*args, **kwargs)
            try:
                child.send(args, kwargs, time_limit_seconds=time_limit_seconds)
                outcome = child.receive()
            except ChildFailedError as error:
                self._child = None
                raise BadVideoError(f"its decoder {error}") from None
            except BaseException:  # Ctrl-C, or arguments that cannot be pickled
                self.close()
                raise
        if outcome.error is not None and self.max_memory_gibibytes is not None and _is_out_of_memory(outcome.error):
            raise BadVideoError(
                f"its decoder wanted more than {self.max_memory_gibibytes:g} GiB of memory"
            ) from outcome.error
        return outcome.result()

    def _started(self) -> ForkedChild | None:
        if not can_fork():
            return None
        import av  # noqa: F401  # before the fork, so that no child has to load it again

        limit = None if self.max_memory_gibibytes is None else int(self.max_memory_gibibytes * 2**30)
        try:
            return ForkedChild(self.function, memory_limit_bytes=limit, shared_bytes=_SHARED_BYTES)
        except (OSError, ChildFailedError) as error:  # no process left, no memory: no fault of the sample's
            logger.warning("decoding without protection from crashes: no child process could be started (%s)", error)
            return None

    def close(self) -> None:
        """End the child, if there is one; the next call starts another."""
        if self._child is not None and self._owner == os.getpid():
            self._child.close()
        self._child = None


def _restore(function: Callable[..., Any], time_limit: float | None, max_memory: float | None) -> GuardedCall:
    return GuardedCall(function, time_limit_seconds=time_limit, max_memory_gibibytes=max_memory)


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def _apply(function: Callable[..., Result], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Result:
    return function(*args, **kwargs)


_shared_guard: GuardedCall[Any, Any] = GuardedCall(_apply)


def guarded(
    function: Callable[..., Result], *args: Any, time_limit_seconds: float | None = 60.0, **kwargs: Any
) -> Result:
    """`function(*args, **kwargs)` in the child process that all such calls of this process share.

    The function must be picklable (a name in a module); see `GuardedCall` for the rest.
    """
    return _shared_guard.call((function, args, kwargs), {}, time_limit_seconds=time_limit_seconds)
