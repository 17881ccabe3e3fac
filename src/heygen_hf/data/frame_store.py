"""Short clips, decoded once for good: one flat file of uint8 pixels, mapped into memory, and an index beside it.

A store is a folder `frames-<settings>-<contents>/` in the cache folder. Its name is made from the contents of the
clips and from the processor's settings that decide the pixels, so a changed clip or another size is another store, and
nothing in a store can go stale. It is written under a file lock into a temporary folder, forced to disk and renamed:
it exists whole or not at all, and of several processes one builds it while the others wait. A new store copies what a
finished one with the same settings holds already. Stores may be deleted at any time.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from heygen_hf.data.clip_decoding import DecodedClip, decode_for_store, store_settings
from heygen_hf.data.content_hash import HASH_BYTES, hash_files
from heygen_hf.data.parallel import map_in_workers
from heygen_hf.processing import VideoProcessor

logger = logging.getLogger(__name__)

_PIXELS_FILE = "frames.bin"
_INDEX_FILE = "index.safetensors"


@dataclass(frozen=True)
class StoredClip:
    """What a store knows of one clip.

    Attributes:
        offset: where its pixels start, in bytes; None where they are not held.
        shape: of its pixels, `(frames, channels, height, width)`.
        total_frames: frames of the file, as far as they were read.
        frame_rate: of the file.
        problem: why it cannot be used; None where it can.
    """

    offset: int | None = None
    shape: tuple[int, int, int, int] = (0, 3, 0, 0)
    total_frames: int = 0
    frame_rate: float = 1.0
    problem: str | None = None

    @property
    def num_bytes(self) -> int:
        return int(np.prod(self.shape))


class FrameStore:
    """A finished store, open for reading. Cheap to pickle: a worker maps the file for itself.

    Args:
        folder: of the store.

    Raises:
        ValueError: it is damaged.
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self._pixels: np.ndarray | None = None
        self._clips = self._read_index()

    def _read_index(self) -> dict[bytes, StoredClip]:
        try:
            with safe_open(self.folder / _INDEX_FILE, framework="np") as index:
                facts = index.metadata()
                hashes, offsets = index.get_tensor("hashes"), index.get_tensor("offsets").tolist()
                shapes, totals = index.get_tensor("shapes").tolist(), index.get_tensor("total_frames").tolist()
                rates = index.get_tensor("frame_rates").tolist()
            problems = json.loads(facts["problems"])
            if (self.folder / _PIXELS_FILE).stat().st_size != int(facts["num_bytes"]):
                raise ValueError("the pixels have another length")
        except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
            raise ValueError(f"the frame store {self.folder} is damaged ({error}); delete it") from error
        clips = {}
        for row, (offset, shape, total, rate) in enumerate(zip(offsets, shapes, totals, rates, strict=True)):
            clips[hashes[row].tobytes()] = StoredClip(
                offset=None if offset < 0 else offset,
                shape=tuple(shape),
                total_frames=total,
                frame_rate=rate,
                problem=problems.get(str(row)),
            )
        return clips

    def __contains__(self, content_hash: bytes) -> bool:
        return content_hash in self._clips

    def __getitem__(self, content_hash: bytes) -> StoredClip:
        return self._clips[content_hash]

    def __len__(self) -> int:
        return len(self._clips)

    def __getstate__(self) -> dict[str, Any]:
        # a pickled memory map would be a copy of all its bytes; the index is needed while preparing only
        return {"folder": self.folder, "_pixels": None, "_clips": {}}

    @property
    def pixels(self) -> np.ndarray:
        """All bytes of the store, `(num_bytes,)` uint8, read only."""
        if self._pixels is None:
            path = self.folder / _PIXELS_FILE
            empty = path.stat().st_size == 0  # which cannot be mapped
            self._pixels = np.zeros(0, np.uint8) if empty else np.memmap(path, dtype=np.uint8, mode="r")
        return self._pixels

    def read(self, offsets: Sequence[int], shape: tuple[int, ...]) -> torch.Tensor:
        """Copy clips of one shape out of the store: uint8 `(batch, frames, channels, height, width)`."""
        pixels, num_bytes = self.pixels, int(np.prod(shape))
        batch = np.empty((len(offsets), num_bytes), dtype=np.uint8)
        for row, offset in enumerate(offsets):
            batch[row] = pixels[offset : offset + num_bytes]
        return torch.from_numpy(batch).view(len(offsets), *shape)


def open_frame_store(
    paths: Sequence[str | None],
    *,
    processor: VideoProcessor,
    cache_dir: str | os.PathLike,
    max_clip_mebibytes: float = 32.0,
    max_store_gibibytes: float = 64.0,
    num_workers: int | None = None,
    progress: bool = True,
) -> tuple[FrameStore, list[StoredClip], bool]:
    """Open the store of these clips, and build it first where it is not there yet.

    Args:
        paths: of the clips; None for one that is refused.
        cache_dir: where stores lie; created.
        max_clip_mebibytes: longer clips are not held but decoded each time they are drawn.
        max_store_gibibytes: nor are clips beyond this size in all.
        num_workers: processes that decode; None for one per core.

    Returns:
        The store, what is known of each path, and whether the store was there already.

    Raises:
        OSError: the cache folder cannot be written, or the disk is full; stores that exist stay valid.
    """
    hashes = hash_files(paths)
    path_of = {content: path for content, path in zip(hashes, paths, strict=True) if isinstance(content, bytes)}
    max_clip_bytes, max_bytes = int(max_clip_mebibytes * 2**20), int(max_store_gibibytes * 2**30)
    settings = store_settings(processor) | {"max_clip_bytes": max_clip_bytes, "max_bytes": max_bytes}
    settings_key = _short_hash(json.dumps(settings, sort_keys=True).encode())
    folder = Path(cache_dir) / f"frames-{settings_key}-{_short_hash(b''.join(sorted(path_of)))}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".frames-{settings_key}.lock"):
            store = _open_if_whole(folder)
            reused = store is not None
            if store is None:
                decode = partial(decode_for_store, processor=processor, max_bytes=max_clip_bytes)
                _build(folder, path_of, decode, max_bytes=max_bytes, num_workers=num_workers, progress=progress)
                store = FrameStore(folder)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(errno.ENOSPC, f"the disk of {cache_dir} is full; free space, or set another cache_dir") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise OSError(error.errno, f"{cache_dir} cannot be written ({error.strerror}); set another cache_dir") from error
        raise
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


def _build(
    folder: Path,
    path_of: dict[bytes, str | None],
    decode: "partial[DecodedClip]",
    *,
    max_bytes: int,
    num_workers: int | None,
    progress: bool,
) -> None:
    """Write a store and move it to its place. The caller holds the lock."""
    same_settings = folder.name.rsplit("-", 1)[0]
    for leftover in folder.parent.glob(f".{same_settings}-*.partial"):  # of a process that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    partial_folder = folder.with_name(f".{folder.name}.partial")
    partial_folder.mkdir()
    try:
        found = _held_elsewhere(folder, path_of)
        missing = [content for content in path_of if content not in found]
        clips: dict[bytes, StoredClip] = {}
        with open(partial_folder / _PIXELS_FILE, "wb") as file:
            end = 0
            for content, (store, known) in found.items():
                if known.offset is not None:
                    file.write(store.pixels[known.offset : known.offset + known.num_bytes])
                    clips[content] = StoredClip(end, known.shape, known.total_frames, known.frame_rate)
                    end += known.num_bytes
                else:
                    clips[content] = known
            decoded_clips = map_in_workers(
                decode,
                [path_of[content] for content in missing],
                description="Decoding clips",
                num_workers=num_workers,
                progress=progress,
            )
            for content, clip in zip(missing, decoded_clips, strict=True):
                facts = {"total_frames": clip.total_frames, "frame_rate": clip.frame_rate, "problem": clip.problem}
                if clip.frames is None or end + clip.frames.nbytes > max_bytes:
                    clips[content] = StoredClip(**facts)
                else:
                    file.write(np.ascontiguousarray(clip.frames))
                    clips[content] = StoredClip(end, clip.frames.shape, **facts)
                    end += clip.frames.nbytes
            file.flush()
            os.fsync(file.fileno())
        _write_index(partial_folder / _INDEX_FILE, clips, num_bytes=end)
        _sync_folder(partial_folder)
        os.rename(partial_folder, folder)
        _sync_folder(folder.parent)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)


def _held_elsewhere(folder: Path, wanted: dict[bytes, Any]) -> dict[bytes, tuple[FrameStore, StoredClip]]:
    """Clips that finished stores with the same settings hold already."""
    found = {}
    for other in sorted(folder.parent.glob(folder.name.rsplit("-", 1)[0] + "-*")):
        try:
            store = FrameStore(other)
        except ValueError:
            continue  # its own user will find and report it
        for content in wanted:
            if content in store and content not in found and store[content].problem is None:
                found[content] = (store, store[content])
    return found


def _write_index(path: Path, clips: dict[bytes, StoredClip], *, num_bytes: int) -> None:
    rows = list(clips.values())
    problems = {str(row): clip.problem for row, clip in enumerate(rows) if clip.problem is not None}
    hashes = np.frombuffer(b"".join(clips), dtype=np.uint8).reshape(-1, HASH_BYTES)
    save_file(
        {
            "hashes": hashes.copy(),
            "offsets": np.array([-1 if clip.offset is None else clip.offset for clip in rows], dtype=np.int64),
            "shapes": np.array([clip.shape for clip in rows], dtype=np.int64).reshape(-1, 4),
            "total_frames": np.array([clip.total_frames for clip in rows], dtype=np.int64),
            "frame_rates": np.array([clip.frame_rate for clip in rows], dtype=np.float64),
        },
        path,
        metadata={"num_bytes": str(num_bytes), "problems": json.dumps(problems)},
    )
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # folders cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
