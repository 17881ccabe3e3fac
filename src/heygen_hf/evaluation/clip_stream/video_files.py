"""Video files as clips to measure: decoded when they are asked for, and known by their contents."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heygen_hf.data.sources.files import is_clip
from heygen_hf.data.video import BadVideoError, decode_frames, decode_video
from heygen_hf.evaluation.clip_stream.reference_clips import ReferenceClips, hash_files
from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor


class VideoFiles(Sequence[VideoClip]):
    """The videos of a folder (in the order of their names, subfolders too) or of a list of files.

    Args:
        source: a folder, or paths.
        processor: cuts and scales each to its frames and size; by default they come as they are, and their rate with
            them, so that videos of another size, length or rate are noticed.
        max_frames: of the start of each.

    Raises:
        ValueError: the folder is none, or holds no video; on access, a file that cannot be decoded.

    Example:
        >>> clips = VideoFiles("data/val", max_frames=16)
        >>> compute_metrics(["fvd"], VideoFiles("out"), clips.as_references())
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        processor: "VideoProcessor | None" = None,
        max_frames: int | None = None,
    ) -> None:
        if isinstance(source, str | os.PathLike):
            folder = Path(source)
            if not folder.is_dir():
                raise ValueError(f"{folder} is no folder; give a folder of videos, or a list of files")
            self.paths = sorted(path for path in folder.rglob("*") if path.is_file() and is_clip(path.name))
            if not self.paths:
                raise ValueError(f"{folder} holds no video; give a folder of videos, such as .mp4")
        else:
            self.paths = [Path(path) for path in source]
        self.processor = processor
        self.max_frames = max_frames

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> VideoClip:  # type: ignore[override]
        path = self.paths[index]
        try:
            if self.processor is not None:
                return decode_video(str(path), processor=self.processor)
            return decode_frames(str(path), max_frames=self.max_frames)
        except (BadVideoError, OSError) as error:
            raise ValueError(f"{path.name} cannot be measured: {error}; replace it or leave it out") from error

    def __iter__(self) -> Iterator[VideoClip]:
        return (self[index] for index in range(len(self)))

    def content_hash(self) -> str:
        """Of the files' contents and of how clips are made of them."""
        settings = {"max_frames": self.max_frames, "processor": None}
        if self.processor is not None:
            settings["processor"] = self.processor.to_dict()
        return hash_files(self.paths, settings=json.dumps(settings, sort_keys=True, default=str))

    def as_references(self) -> ReferenceClips:
        """The clips with their hash, whose statistics can be kept."""
        return ReferenceClips(self, self.content_hash())
