"""Decoded clips on disk: one flat file of uint8 pixels, mapped into memory, and an index beside it."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from heygen_hf.data.cache.content_hash import HASH_BYTES

PIXELS_FILE = "frames.bin"
INDEX_FILE = "index.safetensors"


@dataclass(frozen=True)
class StoredClip:
    """What a store knows of one clip.

    Attributes:
        offset: where its pixels start, in bytes; None where they are not held.
        shape: of its pixels, `(frames, channels, height, width)`.
        total_frames: frames of the file, as far as they were read; with `target_fps`, of those at that rate.
        frame_rate: of those frames.
        source_size: height and width of the file's frames.
        bucket: which size it is brought to.
        problem: why it cannot be used; None where it can.
        failed_after_seconds: the time limit under which its decoder hung or crashed; a later one may not.
        content: hash of the file; None where it cannot be read.
    """

    offset: int | None = None
    shape: tuple[int, int, int, int] = (0, 3, 0, 0)
    total_frames: int = 0
    frame_rate: float = 1.0
    source_size: tuple[int, int] = (0, 0)
    bucket: int = 0
    problem: str | None = None
    failed_after_seconds: float | None = None
    content: bytes | None = field(default=None, compare=False, repr=False)

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
            with safe_open(self.folder / INDEX_FILE, framework="np") as index:
                facts = index.metadata()
                hashes, offsets = index.get_tensor("hashes"), index.get_tensor("offsets").tolist()
                shapes = index.get_tensor("shapes").tolist()
                totals = index.get_tensor("total_frames").tolist()
                rates = index.get_tensor("frame_rates").tolist()
                sizes = index.get_tensor("source_sizes").tolist()
                buckets = index.get_tensor("buckets").tolist()
            problems, failures = json.loads(facts["problems"]), json.loads(facts["failed_after_seconds"])
            if (self.folder / PIXELS_FILE).stat().st_size != int(facts["num_bytes"]):
                raise ValueError("the pixels have another length")
        except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
            raise ValueError(f"the frame store {self.folder} is damaged ({error}); delete it") from error
        clips = {}
        facts_of_row = zip(offsets, shapes, totals, rates, sizes, buckets, strict=True)
        for row, (offset, shape, total, rate, size, bucket) in enumerate(facts_of_row):
            clips[hashes[row].tobytes()] = StoredClip(
                offset=None if offset < 0 else offset,
                shape=tuple(shape),
                total_frames=total,
                frame_rate=rate,
                source_size=tuple(size),
                bucket=bucket,
                problem=problems.get(str(row)),
                failed_after_seconds=failures.get(str(row)),
                content=hashes[row].tobytes(),
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
            path = self.folder / PIXELS_FILE
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


def write_index(path: Path, clips: dict[bytes, StoredClip], *, num_bytes: int) -> None:
    """Write the index of a store.

    Args:
        clips: content hash to what is known of the clip.
        num_bytes: length of the file of pixels, to notice a damaged one.
    """
    rows = list(clips.values())
    problems = {str(row): clip.problem for row, clip in enumerate(rows) if clip.problem is not None}
    failures = {str(row): clip.failed_after_seconds for row, clip in enumerate(rows) if clip.failed_after_seconds}
    hashes = np.frombuffer(b"".join(clips), dtype=np.uint8).reshape(-1, HASH_BYTES)
    encoded = save(
        {
            "hashes": hashes.copy(),
            "offsets": np.array([-1 if clip.offset is None else clip.offset for clip in rows], dtype=np.int64),
            "shapes": np.array([clip.shape for clip in rows], dtype=np.int64).reshape(-1, 4),
            "total_frames": np.array([clip.total_frames for clip in rows], dtype=np.int64),
            "frame_rates": np.array([clip.frame_rate for clip in rows], dtype=np.float64),
            "source_sizes": np.array([clip.source_size for clip in rows], dtype=np.int64).reshape(-1, 2),
            "buckets": np.array([clip.bucket for clip in rows], dtype=np.int64),
        },
        metadata={
            "num_bytes": str(num_bytes),
            "problems": json.dumps(problems),
            "failed_after_seconds": json.dumps(failures),
        },
    )
    with open(path, "wb") as file:  # and not by safetensors, whose error of a full disk is its own
        file.write(encoded)
        file.flush()
        os.fsync(file.fileno())
