"""Memory that every step frees and asks for again stays with the process."""

import ctypes
import os
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_USERS_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "LD_PRELOAD", "GLIBC_TUNABLES")
# Half of an arena: the most that some versions of glibc take.
LARGEST_KEPT_BLOCKS = (256 * 2**20, 32 * 2**20)
MOST_KEPT_FREE = 2**30


def keep_freed_memory() -> bool:
    """Let the C library keep up to `MOST_KEPT_FREE` bytes of freed memory instead of giving them back.

    On a CPU the gradients of one step are freed at its end and allocated anew in the next. glibc returns them to the
    system in between, which then hands out every page again, zeroed: some thousand page faults a step, 3 % of the time
    of a small model. The peak stays as it is. Whoever has set the allocator up (an environment variable, a preloaded
    allocator) is left alone.

    Returns:
        Whether the C library has been told.
    """
    if sys.platform != "linux" or any(os.environ.get(name) for name in _USERS_OWN):
        return False
    tell = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it, musl does not
    if tell is None or not any(tell(_M_MMAP_THRESHOLD, size) for size in LARGEST_KEPT_BLOCKS):
        return False
    return bool(tell(_M_TRIM_THRESHOLD, MOST_KEPT_FREE))
