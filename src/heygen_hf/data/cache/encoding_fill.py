"""Fill a cache with what is missing, in any number of processes, interrupted as often as it may be.

The keys are cut into chunks, the same ones in every process that fills with the same keys. Whoever takes a chunk's file
lock encodes what is still missing of it. The operating system releases the lock of a process that dies, so nothing is
ever left locked; and each process ends only when nothing is left to be done, by it or by another.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from filelock import FileLock, Timeout

from heygen_hf.data.cache.disk_errors import clear_disk_errors
from heygen_hf.data.cache.encoding_shard import Encoding
from heygen_hf.data.cache.encoding_store import EncodingCache

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

_CHUNK_ITEMS = 256  # about; whole batches
_CHUNKS_PER_PROCESS = 4  # at least, so that no process waits long for the last chunk of another
_HOPELESS_AFTER = 16  # failures without a single success: it is the encoder that fails, not the items


@dataclass
class FillReport:
    """The account that `fill_cache` gives: present + encoded + by others + problems = keys.

    Attributes:
        num_keys: different keys asked for.
        num_present: there already.
        num_encoded: added by this process.
        num_by_others: added by other processes meanwhile.
        problems: `(name, reason)` of every item that could not be encoded; nothing is stored for it.
        num_bytes: size of the cache on disk.
        seconds: how long it took.
    """

    num_keys: int
    num_present: int = 0
    num_encoded: int = 0
    num_by_others: int = 0
    problems: list[tuple[str, str]] = field(default_factory=list)
    num_bytes: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        """A line to print, and one for every item that cannot be encoded."""
        line = f"{self.num_encoded} of {self.num_keys} encoded in {self.seconds:.1f} s, {self.num_present} were there"
        line += f", {self.num_by_others} came from other processes" if self.num_by_others else ""
        line += f", {len(self.problems)} cannot be encoded" if self.problems else ""
        line += f"; {self.num_bytes / 2**20:.1f} MiB on disk"
        return "\n".join([line, *(f"    {name!r}: {reason}" for name, reason in self.problems)])


def fill_cache(
    cache: EncodingCache,
    keys: Sequence[bytes],
    load_items: Callable[[Sequence[bytes]], Sequence[Item]],
    encode: Callable[[Sequence[Item]], Sequence[Mapping[str, torch.Tensor]]],
    *,
    batch_size: int,
    process_index: int = 0,
    num_processes: int = 1,
    progress: bool = True,
    on_problem: Callable[[str, str], None] | None = None,
    names: Mapping[bytes, str] | None = None,
    shard_mebibytes: float = 128.0,
    shard_seconds: float = 60.0,
) -> FillReport:
    """Encode what a cache lacks. Every process of a launch calls it with the same keys and batch size (others would do
    the same work beside it), and each returns when all is done.

    Args:
        keys: what the cache shall hold; those it holds already cost nothing.
        load_items: the items of some keys, in their order.
        encode: what a batch of items is encoded to, an item each.
        batch_size: items handed to `encode` at once.
        process_index, num_processes: of the launch; where each process starts. Wrong ones cost time only.
        progress: show a progress bar.
        on_problem: called with the name and the reason of each item that fails, is NaN or infinite.
        names: what items are called in the report; None for the hex digits of their keys.
        shard_mebibytes, shard_seconds: a shard is written at the latest when this much waits in memory or this long
            after the last: what a kill can cost.

    Raises:
        OSError: the disk is full or cannot be written; what the cache holds stays valid.
        ValueError: every one of the first items fails.
    """
    from tqdm.auto import tqdm

    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; expected at least 1")
    if not 0 <= process_index < num_processes:
        raise ValueError(f"process_index is {process_index}; expected 0 to {num_processes - 1}")
    started = time.perf_counter()
    cache.remove_abandoned()
    wanted = sorted(set(keys))
    missing = cache.missing(wanted)
    report = FillReport(num_keys=len(wanted), num_present=len(wanted) - len(missing))
    name_of = {} if names is None else names
    batches = _Batches(load_items, encode, cache, on_problem, name_of)
    writer = _ShardWriter(cache, report, max_bytes=int(shard_mebibytes * 2**20), max_seconds=shard_seconds)
    with tqdm(desc=f"Encoding {cache.kind}", total=len(missing), disable=not progress, unit="item") as bar:
        for chunk in _locked_chunks(cache, wanted, batch_size, process_index, num_processes):
            todo = [key for key in cache.missing(chunk) if key not in batches.problems]
            for start in range(0, len(todo), batch_size):
                for key, encoding in batches.encode(todo[start : start + batch_size]):
                    writer.add(key, encoding)
                bar.update(min(batch_size, len(todo) - start))
            writer.flush()  # while the chunk is still ours
    left = set(cache.missing(missing))
    report.problems = [(name_of.get(key, key.hex()), why) for key, why in batches.problems.items() if key in left]
    report.num_by_others = len(missing) - report.num_encoded - len(report.problems)
    report.num_bytes, report.seconds = cache.num_bytes, time.perf_counter() - started
    return report


def _locked_chunks(
    cache: EncodingCache, wanted: list[bytes], batch_size: int, process_index: int, num_processes: int
) -> Iterator[list[bytes]]:
    """The chunks in which something is missing, one at a time, locked while the caller has it.

    First those that nobody else works on; then, one after another, those that others had: what they left (because they
    were killed) is for us.
    """
    size = min(_CHUNK_ITEMS, -(-len(wanted) // (num_processes * _CHUNKS_PER_PROCESS)))
    size = max(1, -(-size // batch_size)) * batch_size
    chunks = [wanted[start : start + size] for start in range(0, len(wanted), size)]
    first = len(chunks) * process_index // num_processes
    chunks = chunks[first:] + chunks[:first]
    folder = cache.folder / ".locks"
    with clear_disk_errors(cache.folder.parent):
        folder.mkdir(exist_ok=True)

    taken_by_others: list[list[bytes]] = []
    for patient, turn in ((False, chunks), (True, taken_by_others)):
        for chunk in turn:
            if not cache.missing(chunk):
                continue
            name = hashlib.blake2b(b"".join(chunk), digest_size=8).hexdigest()
            lock = FileLock(folder / f"{name}.lock", timeout=-1 if patient else 0)
            try:
                with clear_disk_errors(cache.folder.parent):
                    lock.acquire()
            except Timeout:
                taken_by_others.append(chunk)
                continue
            try:
                yield chunk
            finally:
                lock.release()


class _Batches:
    """Loads and encodes; whatever is wrong with an item becomes its reason in `problems`."""

    def __init__(
        self,
        load_items: Callable[[Sequence[bytes]], Sequence[Item]],
        encode: Callable[[Sequence[Item]], Sequence[Mapping[str, torch.Tensor]]],
        cache: EncodingCache,
        on_problem: Callable[[str, str], None] | None,
        name_of: Mapping[bytes, str],
    ) -> None:
        self._load_items, self._encode, self._cache = load_items, encode, cache
        self._on_problem, self._name_of = on_problem, name_of
        self.problems: dict[bytes, str] = {}
        self._num_good = 0

    def encode(self, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Encoding]]:
        try:
            items = self._load_items(keys)
            encodings = self._encode(items)
        except torch.OutOfMemoryError:
            raise  # no fault of an item's: a smaller batch is needed
        except Exception as error:
            if len(keys) == 1:
                self._report_problem(keys[0], error)
                return
            for key in keys:  # to find which of them it is
                yield from self.encode([key])
            return
        if not len(items) == len(encodings) == len(keys):
            raise ValueError(
                f"{len(keys)} keys gave {len(items)} items and {len(encodings)} encodings; expected as many of each"
            )
        for key, encoding in zip(keys, encodings, strict=True):
            try:
                stored = self._cache.as_stored(encoding)
            except ValueError as error:
                self._report_problem(key, error)
                continue
            self._num_good += 1
            yield key, stored

    def _report_problem(self, key: bytes, error: Exception) -> None:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        self.problems[key] = reason
        if self._on_problem is not None:
            self._on_problem(self._name_of.get(key, key.hex()), reason)
        if not self._num_good and len(self.problems) >= _HOPELESS_AFTER:
            raise ValueError(
                f"none of the first {len(self.problems)} items could be encoded, the last because: {reason}"
            ) from error


class _ShardWriter:
    """Gathers encodings into shards of a sensible size."""

    def __init__(self, cache: EncodingCache, report: FillReport, *, max_bytes: int, max_seconds: float) -> None:
        self._cache, self._report = cache, report
        self._max_bytes, self._max_seconds = max_bytes, max_seconds
        self._waiting: dict[bytes, Encoding] = {}
        self._num_bytes = 0
        self._last_written = time.monotonic()

    def add(self, key: bytes, encoding: Encoding) -> None:
        self._waiting[key] = encoding
        self._num_bytes += sum(tensor.nbytes for tensor in encoding.values())
        if self._num_bytes >= self._max_bytes or time.monotonic() - self._last_written >= self._max_seconds:
            self.flush()

    def flush(self) -> None:
        by_names: dict[tuple[str, ...], dict[bytes, Encoding]] = {}  # the items of a shard have the same names
        for key, encoding in self._waiting.items():
            by_names.setdefault(tuple(sorted(encoding)), {})[key] = encoding
        for items in by_names.values():
            self._cache.write(items)
            self._report.num_encoded += len(items)
        self._waiting, self._num_bytes, self._last_written = {}, 0, time.monotonic()
