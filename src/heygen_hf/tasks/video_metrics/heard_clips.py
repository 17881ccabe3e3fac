"""Real clips with sound, from which a model that hears makes its videos, and beside which these are measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from heygen_hf.data.video.audio import decode_audio
from heygen_hf.evaluation.talking_faces import loudness_per_frame
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.long_video import learned_to_continue
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation.given_files import frame_numbers, whole_clip
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.video_metrics.references import RealClips
from heygen_hf.tasks.video_metrics.source_clips import SourceClips


@dataclass(frozen=True)
class HeardClips(SourceClips):
    """Clips from their start on, each with its sound.

    Attributes:
        processor: scales frames, and says how often one is taken.
        num_frames: of the videos, and of each clip.
        first_frame: whether videos begin with the clip's first frame, which is then not measured.
        frame_rate: of the videos.
        sampling_rate: of the sound as the model takes it.
    """

    processor: VideoProcessor
    num_frames: int
    first_frame: bool
    frame_rate: float
    sampling_rate: int

    hears: ClassVar[bool] = True
    paired_by: ClassVar[str] = "sound"

    @property
    def num_given(self) -> int:
        """Frames at the start of each video that the model did not make."""
        return int(self.first_frame)

    def taken_by(self, processor: VideoProcessor) -> dict[str, Any]:
        return {**processor.to_dict(), "num_frames": self.num_frames, "num_given": self.num_given}

    def name_of(self, number: int) -> str:
        """What a video is made of, by the clip's contents."""
        return (
            f"{'first frame and ' if self.first_frame else ''}sound of {self.clips.contents[self.row_of(number)].hex()}"
        )

    def frames(self, row: int) -> torch.Tensor:
        """uint8 `(num_frames, channels, height, width)`."""
        return whole_clip(self.clips.videos[row], self.processor, from_start=True)[: self.num_frames]

    def sound(self, row: int) -> torch.Tensor:
        """`(samples,)`, as long as the frames."""
        seconds = self.num_frames / self.frame_rate
        return decode_audio(
            self.clips.videos[row], start_seconds=0, duration_seconds=seconds, sampling_rate=self.sampling_rate
        ).samples

    def given(self, numbers: Sequence[int]) -> dict[str, Any]:
        """The pipeline's arguments for some videos."""
        rows = [self.row_of(number) for number in numbers]
        arguments: dict[str, Any] = {
            "audio": [self.sound(row) for row in rows],
            "audio_sampling_rate": self.sampling_rate,
            "num_frames": self.num_frames,
        }
        if self.first_frame:
            arguments["image"] = [self.frames(row)[0].float() / 255 for row in rows]
        return arguments

    def loudness(self, count: int) -> list[torch.Tensor]:
        """Of as many videos, at each measured frame."""
        rows = [self.row_of(number) for number in range(count)]
        found = {row: self._loudness_of(row) for row in dict.fromkeys(rows)}
        return [found[row] for row in rows]

    def _loudness_of(self, row: int) -> torch.Tensor:
        found = loudness_per_frame(
            self.sound(row).numpy(),
            sampling_rate=self.sampling_rate,
            num_frames=self.num_frames,
            frame_rate=self.frame_rate,
        )
        return torch.from_numpy(np.ascontiguousarray(found[self.num_given :]))


def heard_clips(real: RealClips, recipe: Recipe | None, pipeline: VideoGenerationPipeline) -> HeardClips:
    """Those clips of `real` that are long enough and have sound.

    Videos are as long as the run's own evaluation makes them: by `evaluation.num_frames`, else as the shortest clip
    where the model goes on from its own frames, else as long as it makes at once.

    Raises:
        ValueError: there is none.
    """
    processor: VideoProcessor = pipeline.processor
    window, rate = pipeline.clip_config.sample_frames, float(pipeline.config.frame_rate)
    lengths = {row: len(frame_numbers(real.clips.videos[row], processor, from_start=True)) for row in real.rows}
    rows = [row for row in real.rows if lengths[row] >= window and _has_sound(real, row, window / rate)]
    if not rows:
        raise ValueError(
            f"none of the {len(real)} {real.name} has sound and at least {window} frames, from which this model makes "
            "videos: pass --reference FOLDER with such clips"
        )
    num_frames = window
    config = pipeline.clip_config
    if learned_to_continue(config):
        asked = getattr(getattr(recipe, "evaluation", None), "num_frames", None)
        num_frames = asked or min(lengths[row] for row in rows)
        num_frames = max(window, num_frames)
        rows = [row for row in rows if lengths[row] >= num_frames] or rows
        num_frames = min(num_frames, min(lengths[row] for row in rows))
    if len(rows) < len(real):
        print(f"{len(real) - len(rows)} of {len(real)} clips are too short or have no sound, and are left out")
    return HeardClips(
        real.clips,
        real.name,
        rows,
        processor=processor,
        num_frames=num_frames,
        first_frame=bool(config.given_frame_patterns),
        frame_rate=rate,
        sampling_rate=pipeline.audio_feature_extractor.sampling_rate,
    )


def _has_sound(real: RealClips, row: int, seconds: float) -> bool:
    return decode_audio(
        real.clips.videos[row], start_seconds=0, duration_seconds=seconds, sampling_rate=16000
    ).has_track
