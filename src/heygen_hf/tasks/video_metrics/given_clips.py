"""Real clips of which a published generator is given something: their first frame, or what is derived from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.derived_control import ControlKind, derive_control
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.video_metrics.references import RealClips
from heygen_hf.tasks.video_metrics.source_clips import SourceClips


@dataclass(frozen=True)
class GivenClips(SourceClips):
    """Clips at the model's size and length.

    Attributes:
        num_frames: of the videos.
        control: what of a clip controls the video; None where it begins with the clip's first frame, which is then not
            measured.
    """

    num_frames: int
    control: ControlKind | None = None

    hears: ClassVar[bool] = False

    @property
    def paired_by(self) -> str:
        """What a video and its clip have in common."""
        return "first frame" if self.control is None else self.control.replace("_", " ")

    @property
    def num_given(self) -> int:
        """Frames at the start of each video that the model did not make."""
        return int(self.control is None)

    def taken_by(self, processor: VideoProcessor) -> list[Any]:
        return [processor.to_dict(), self.clips.options.seed, self.num_given]

    def name_of(self, number: int) -> str:
        """What a video is made of, by the clip's contents."""
        return f"{self.paired_by} of {self.clips.contents[self.row_of(number)].hex()}"

    def frames(self, row: int) -> torch.Tensor:
        """uint8 `(num_frames, channels, height, width)`."""
        frames: torch.Tensor = self.clips[row]["frames"]
        return frames

    def given(self, numbers: Sequence[int]) -> dict[str, Any]:
        """The pipeline's arguments for some videos."""
        clips = [self.frames(self.row_of(number)) for number in numbers]
        if self.control is None:
            return {"image": [clip[0].float() / 255 for clip in clips]}
        return {"video": [derive_control(clip, self.control).float() / 255 for clip in clips]}

    def loudness(self, count: int) -> None:  # noqa: ARG002 - as of clips that are heard
        """None: nothing is heard."""
        return


def needs_given_clips(pipeline: Any) -> bool:
    """Whether a pipeline makes every video of something of a clip; this package's own never must."""
    family = getattr(pipeline, "family", None)
    return family is not None and (family.takes_first_frame or family.takes_control)


def given_clips(real: RealClips, recipe: Recipe | None, pipeline: Any) -> GivenClips:
    """The clips of `real` as those that the pipeline's videos are made of.

    Raises:
        ValueError: what controls them lies in files of its own.
    """
    control = None
    if pipeline.family.takes_control:
        control = getattr(getattr(recipe, "data", None), "control", None)
        if control is None:
            raise ValueError(
                f"{pipeline.family.name} generates beside a clip that controls, and no data.control of the run says "
                "how to make one of a real clip: make videos with heygen-hf generate --video, and measure their folder"
            )
    return GivenClips(real.clips, real.name, real.rows, num_frames=pipeline.config.num_frames, control=control)
