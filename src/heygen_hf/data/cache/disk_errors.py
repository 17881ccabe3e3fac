"""What to do about a disk that is full or cannot be written, in one line."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def clear_disk_errors(cache_dir: Path) -> Iterator[None]:
    """Say what to do about a disk that is full or cannot be written."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"the disk of {cache_dir} is full ({error.strerror}); free space, or set another cache_dir: "
                "what is cached already stays valid",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise OSError(
                error.errno, f"{cache_dir} cannot be written ({error.strerror}); set another cache_dir"
            ) from error
        raise
