"""Short clips, decoded once for good into a frame store.

A store is a folder `frames-<settings>-<contents>/` in the cache folder. Its name is made from the contents of
the clips and from the processor's settings that decide the pixels, so a changed clip or another size is
another store, and nothing in a store can go stale. It is written under a file lock into a temporary folder,
forced to disk and renamed: it exists whole or not at all, and of several processes one builds it while the
others wait. A new store copies what a finished one with the same settings holds already. Stores may be
deleted at any time.
"""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from heygen_hf.data.buckets import BucketSet
from heygen_hf.data.cache.clip_decoding import DecodedClip, decode_for_store, store_settings
from heygen_hf.data.cache.content_hash import hash_videos
from heygen_hf.data.cache.disk_errors import clear_disk_errors
from heygen_hf.data.cache.frame_store import INDEX_FILE, PIXELS_FILE, FrameStore, StoredClip, write_index
from heygen_hf.data.parallel import map_in_workers

_MOST_MEMORY_GIBIBYTES = 4.0  # of a decoder; a damaged header may ask for any amount

logger = logging.getLogger(__name__)


def open_frame_store(
    videos: Sequence[Any],
    *,
    buckets: BucketSet,
    cache_dir: str | os.PathLike,
    max_clip_mebibytes: float = 32.0,
    max_store_gibibytes: float = 64.0,
    decode_time_limit_seconds: float = 60.0,
    num_workers: int | None = None,
    progress: bool = True,
) -> tuple[FrameStore, list[StoredClip], bool]:
    """Open the store of these clips, and build it first where it is not there yet.

    Args:
        videos: path or bytes of each clip; None for one that is refused. It may be lazy.
        buckets: the sizes clips are brought to.
        cache_dir: where stores lie; created.
        max_clip_mebibytes: longer clips are not held but decoded each time they are drawn.
        max_store_gibibytes: nor are clips beyond this size in all.
        decode_time_limit_seconds: a clip whose decoder takes longer cannot be used.
        num_workers: processes that decode; None for one per core.

    Returns:
        The store, what is known of each clip, and whether the store was there already.

    Raises:
        OSError: the cache folder cannot be written, or the disk is full; stores that exist stay valid.
    """
    hashes = hash_videos(videos)
    row_of = {content: row for row, content in enumerate(hashes) if isinstance(content, bytes)}
    max_clip_bytes, max_bytes = int(max_clip_mebibytes * 2**20), int(max_store_gibibytes * 2**30)
    settings = store_settings(buckets) | {"max_clip_bytes": max_clip_bytes, "max_bytes": max_bytes}
    settings_key = _short_hash(json.dumps(settings, sort_keys=True).encode())
    folder = Path(cache_dir) / f"frames-{settings_key}-{_short_hash(b''.join(sorted(row_of)))}"
    with clear_disk_errors(Path(cache_dir)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".frames-{settings_key}.lock"):
            store = _open_if_whole(folder)
            if store is not None and _may_do_better(store, row_of, decode_time_limit_seconds):
                # out of the way, for the new one to take over what it holds
                os.replace(folder, folder.with_name(folder.name + "-superseded"))
                store = None
            reused = store is not None
            if store is None:
                decode = partial(decode_for_store, buckets=buckets, max_bytes=max_clip_bytes)
                workers = partial(
                    map_in_workers,
                    decode,
                    description="Decoding clips",
                    num_workers=num_workers,
                    progress=progress,
                    time_limit_seconds=decode_time_limit_seconds,
                    on_failure=_failed,
                    memory_limit_gibibytes=_MOST_MEMORY_GIBIBYTES,
                )
                _build(
                    folder, videos, row_of, workers, max_bytes=max_bytes, time_limit_seconds=decode_time_limit_seconds
                )
                store = FrameStore(folder)
                shutil.rmtree(folder.with_name(folder.name + "-superseded"), ignore_errors=True)
    clips = [store[content] if isinstance(content, bytes) else StoredClip(problem=content) for content in hashes]
    return store, clips, reused


def _short_hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _open_if_whole(folder: Path) -> FrameStore | None:
    if not folder.exists():
        return None
    try:
        return FrameStore(folder)
    except ValueError as error:
        logger.warning("%s; building it again", error)
        shutil.rmtree(folder)
        return None


def _may_do_better(store: FrameStore, contents: Iterable[bytes], time_limit_seconds: float) -> bool:
    """Whether a decoder that hung or crashed under a shorter time limit is worth another try."""
    return any((store[content].failed_after_seconds or time_limit_seconds) < time_limit_seconds for content in contents)


def _failed(_: Any, reason: str) -> DecodedClip:
    return DecodedClip(problem=f"{reason}; a longer data.decode_time_limit_seconds tries again", decoder_failed=True)


class _Rows(Sequence):
    """Some rows of a sequence that may be lazy."""

    def __init__(self, videos: Sequence[Any], rows: list[int]) -> None:
        self.videos, self.rows = videos, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, position: Any) -> Any:
        if isinstance(position, slice):
            return [self.videos[row] for row in self.rows[position]]
        return self.videos[self.rows[position]]


def _build(
    folder: Path,
    videos: Sequence[Any],
    row_of: dict[bytes, int],
    decode_all: Callable[[Sequence[Any]], Iterator[DecodedClip]],
    *,
    max_bytes: int,
    time_limit_seconds: float,
) -> None:
    """Write a store and move it to its place. The caller holds the lock."""
    same_settings = folder.name.rsplit("-", 1)[0]
    for leftover in folder.parent.glob(f".{same_settings}-*.partial"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial_folder = folder.with_name(f".{folder.name}.partial")
    partial_folder.mkdir()
    try:
        found = _held_elsewhere(folder, row_of)
        missing = [content for content in row_of if content not in found]
        clips: dict[bytes, StoredClip] = {}
        with open(partial_folder / PIXELS_FILE, "wb") as file:
            end = 0
            for content, (store, known) in found.items():
                if known.offset is not None:
                    file.write(store.pixels[known.offset : known.offset + known.num_bytes].data)
                    known = replace(known, offset=end)
                    end += known.num_bytes
                clips[content] = known
            decoded_clips = decode_all(_Rows(videos, [row_of[content] for content in missing]))
            for content, clip in zip(missing, decoded_clips, strict=True):
                known = StoredClip(
                    total_frames=clip.total_frames,
                    frame_rate=clip.frame_rate,
                    source_size=clip.source_size,
                    bucket=clip.bucket,
                    problem=clip.problem,
                    failed_after_seconds=time_limit_seconds if clip.decoder_failed else None,
                )
                if clip.frames is not None and end + clip.frames.nbytes <= max_bytes:
                    known = replace(known, offset=end, shape=clip.frames.shape)
                    file.write(clip.frames.data)
                    end += clip.frames.nbytes
                clips[content] = known
            file.flush()
            os.fsync(file.fileno())
        write_index(partial_folder / INDEX_FILE, clips, num_bytes=end)
        _sync_folder(partial_folder)
        os.rename(partial_folder, folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _held_elsewhere(folder: Path, wanted: Iterable[bytes]) -> dict[bytes, tuple[FrameStore, StoredClip]]:
    """Clips that finished stores with the same settings hold already."""
    found: dict[bytes, tuple[FrameStore, StoredClip]] = {}
    for other in sorted(folder.parent.glob(folder.name.rsplit("-", 1)[0] + "-*")):
        try:
            store = FrameStore(other)
        except ValueError:
            continue  # its own user will find and report it
        for content in wanted:
            if content in store and content not in found and store[content].problem is None:
                found[content] = (store, store[content])
    return found


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
