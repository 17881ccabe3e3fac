"""Reference clips with a name made of their contents, so that what was computed of them can be kept."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from heygen_hf.data.cache.content_hash import HASH_BYTES, hash_videos
from heygen_hf.types import VideoClip


@dataclass(frozen=True)
class ReferenceClips:
    """Clips and the hash of their contents.

    Attributes:
        clips: as `read_batches` takes them; they are not touched where their statistics are in the cache.
        content_hash: changes when a clip does, or how it was cut and scaled. `hash_files` and `hash_clips` make one.
    """

    clips: Iterable[Any]
    content_hash: str

    def __iter__(self) -> Iterator[Any]:
        return iter(self.clips)


def hash_files(paths: Sequence[str | os.PathLike[str]], *, settings: str = "") -> str:
    """The hash of files' contents, whatever their names and order; `settings` says how clips are made of them.

    Raises:
        ValueError: a file cannot be read.
    """
    hashes = hash_videos([os.fspath(path) for path in paths])
    for path, each in zip(paths, hashes, strict=True):
        if isinstance(each, str):
            raise ValueError(f"{path}: {each}; give files that can be read")
    digest = hashlib.blake2b(settings.encode(), digest_size=HASH_BYTES)
    digest.update(len(hashes).to_bytes(8, "big"))
    for each in sorted(hashes):  # type: ignore[type-var]
        digest.update(each)  # type: ignore[arg-type]
    return digest.hexdigest()


def hash_clips(clips: Iterable[torch.Tensor | VideoClip]) -> str:
    """The hash of decoded clips, pixel by pixel, in their order."""
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    for clip in clips:
        frames = (clip.frames if isinstance(clip, VideoClip) else torch.as_tensor(clip)).detach().cpu().contiguous()
        digest.update(f"{frames.dtype} {tuple(frames.shape)}".encode())
        digest.update(frames.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
