"""One process at a time writes the checkpoints of a run."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# A process that was killed may take a while to be gone.
_PATIENCE_SECONDS = 5.0
_held: set[int] = set()


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Within it no other process that asks for the same gets into `folder`.

    The lock is on the folder itself: it leaves no file, and ends with the process however that ends. Where the folder
    is not there, or its file system knows no such locks, nothing is locked.

    Raises:
        ValueError: another process is in it.
    """
    descriptor = _lock(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            _held.discard(descriptor)
            os.close(descriptor)


def has_writer(folder: Path) -> bool | None:
    """Whether a process is in it now, this one too; None where that cannot be known."""
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return False


def _lock(folder: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    _held.add(descriptor)
    patience_ends_at = time.monotonic() + _PATIENCE_SECONDS
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if time.monotonic() >= patience_ends_at:
                    raise ValueError(
                        f"another process trains in {folder}: wait until it has ended, or give another output_dir."
                    ) from None
                time.sleep(0.1)
            except OSError:
                return descriptor  # not locked: to be closed all the same
    except BaseException:
        _held.discard(descriptor)
        os.close(descriptor)
        raise


def _let_go() -> None:
    """A data worker that outlives its trainer must not keep the next one out."""
    while _held:
        os.close(_held.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
