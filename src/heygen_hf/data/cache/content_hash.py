"""Name files by what they contain, so that a changed file is a new file and a renamed one is not."""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from heygen_hf.data.parallel import available_cores

HASH_BYTES = 16

_READ_WHOLE_BELOW = 64 * 2**20
_NUM_SAMPLES = 64
_SAMPLE_BYTES = 2**18


def hash_file(path: str | os.PathLike) -> bytes:
    """16 bytes that depend on the contents of a file.

    Of a file above 64 MiB, 64 blocks spread over it, its size and its time of change stand for the whole:
        reading
    hundreds of gigabytes at every start would take longer than the training it prepares.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    with open(path, "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if status.st_size < _READ_WHOLE_BELOW:
            digest.update(file.read())
            return digest.digest()
        digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        for sample in range(_NUM_SAMPLES):
            file.seek((status.st_size - _SAMPLE_BYTES) * sample // (_NUM_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.digest()


def hash_files(paths: Sequence[str | None]) -> list[bytes | str]:
    """The hash of each file, or the reason (a string) why it cannot be read. None stands for a refused
    path."""

    def one(path: str | None) -> bytes | str:
        if path is None:
            return "its row names no file, or its path leaves the data folder, which is refused"
        try:
            return hash_file(path)
        except FileNotFoundError:
            return "the file does not exist"
        except IsADirectoryError:
            return "it is a folder, not a file"
        except OSError as error:
            return f"cannot be read ({error.strerror or error})"

    with ThreadPoolExecutor(available_cores()) as executor:
        return list(executor.map(one, paths))
