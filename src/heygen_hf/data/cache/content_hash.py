"""Name files by what they contain, so that a changed file is a new file and a renamed one is not."""

import hashlib
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from heygen_hf.data.parallel import available_cores

HASH_BYTES = 16

_READ_WHOLE_BELOW = 64 * 2**20
_NUM_SAMPLES = 64
_SAMPLE_BYTES = 2**18


def hash_file(path: str | os.PathLike) -> bytes:
    """16 bytes that depend on the contents of a file.

    Of a file above 64 MiB, 64 blocks spread over it, its size and its time of change stand for the whole: reading
    hundreds of gigabytes at every start would take longer than the training it prepares.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    # A named pipe would wait for its other end for ever; without blocking it opens and turns out to be one.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError
        if not stat.S_ISREG(status.st_mode):
            raise OSError("not a regular file")
        if status.st_size < _READ_WHOLE_BELOW:
            digest.update(file.read())
            return digest.digest()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        for sample in range(_NUM_SAMPLES):
            file.seek((status.st_size - _SAMPLE_BYTES) * sample // (_NUM_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.digest()


def hash_videos(videos: Sequence[Any]) -> list[bytes | str]:
    """The hash of each file, or the reason (a string) why it cannot be read.

    Args:
        videos: paths, bytes of embedded files, or None for a refused row. It may be lazy.
    """

    def one(row: int) -> bytes | str:
        video = videos[row]
        if video is None:
            return "its row names no file, or its path leaves the data folder, which is refused"
        if isinstance(video, bytes):
            return hashlib.blake2b(video, digest_size=HASH_BYTES).digest()
        try:
            return hash_file(video)
        except FileNotFoundError:
            return "the file does not exist"
        except IsADirectoryError:
            return "it is a folder, not a file"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

    with ThreadPoolExecutor(available_cores()) as executor:
        return list(executor.map(one, range(len(videos))))
