"""Real clips that videos are made of, each measured beside the video that was made of it."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from heygen_hf.evaluation import ReferenceClips
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.video_metrics.references import RealClips
from heygen_hf.types import VideoClip


class SourceClips(RealClips, ABC):
    """Clip by clip in the order of the videos, without the frames at their start that a video is given."""

    @property
    @abstractmethod
    def num_given(self) -> int:
        """Frames at the start of each video that the model did not make."""

    @abstractmethod
    def frames(self, row: int) -> torch.Tensor:
        """uint8 `(num_frames, channels, height, width)`."""

    @abstractmethod
    def taken_by(self, processor: VideoProcessor) -> Any:
        """How frames are taken of the files, as JSON has it."""

    def first(self, count: int, *, processor: VideoProcessor, frame_rate: float) -> ReferenceClips:
        rows = [self.row_of(number) for number in range(count)]
        settings = json.dumps(self.taken_by(processor), sort_keys=True, default=str)
        digest = hashlib.blake2b(settings.encode(), digest_size=16)
        for row in rows:
            digest.update(self.clips.contents[row])
        return ReferenceClips(_Frames(self, rows, frame_rate), digest.hexdigest())

    def row_of(self, number: int) -> int:
        """The clip of a video; from the start again where there are fewer."""
        return self.rows[number % len(self.rows)]


class _Frames(Sequence[VideoClip]):
    """Measured frames of some rows, read when they are asked for."""

    def __init__(self, clips: SourceClips, rows: Sequence[int], frame_rate: float) -> None:
        self.clips, self.rows, self.frame_rate = clips, rows, frame_rate

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> VideoClip:  # type: ignore[override]
        return VideoClip(self.clips.frames(self.rows[index])[self.clips.num_given :], self.frame_rate)
