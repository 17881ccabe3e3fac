"""A run that is to be measured: its model, what it is asked for, and the real clips beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from heygen_hf.evaluation import ReferenceClips, VideoFiles
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.tasks.video_metrics.generating import WantedVideo, make_videos, sampling_facts
from heygen_hf.tasks.video_metrics.given_clips import GivenClips
from heygen_hf.tasks.video_metrics.heard_clips import HeardClips
from heygen_hf.tasks.video_metrics.references import RealClips
from heygen_hf.types import VideoClip

MAX_REFERENCES = 2048


@dataclass(frozen=True)
class RunToMeasure:
    """See the module.

    Attributes:
        real: the real clips; None where nothing is compared with any.
        heard: those that the videos are made of, for a model that follows sound or must be given something else of a
            clip; the same as `real` then.
        paired: whether `real` has the clip of each video's caption, or sound, at its place.
        prompts_from: where the captions are from, in words.
        reference: the hash of the real clips where others than the run's own were asked for.
        set_name: says which videos these are; empty for those that are made where nothing is asked for, so that
            videos of other seeds or captions do not take their place.
    """

    folder: RunFolder
    pipeline: VideoGenerationPipeline
    wanted: list[WantedVideo]
    real: RealClips | None
    heard: HeardClips | GivenClips | None
    paired: bool
    prompts_from: str
    precision: str
    batch_size: int
    reference: str | None = None
    set_name: str = ""

    @property
    def processor(self) -> VideoProcessor:
        return processor_of(self.pipeline)

    @property
    def num_references(self) -> int:
        return 0 if self.real is None else min(len(self.real), max(MAX_REFERENCES, len(self.wanted)))

    def videos_folder(self, results: Path, name: str = "generated") -> Path:
        """Where the videos are kept unless another place is asked for."""
        return results / "_".join(part for part in (name, self.set_name) if part)

    def make_videos(self, folder: Path) -> list[Path]:
        """Those that are not there yet are made."""
        return make_videos(
            self.pipeline,
            self.wanted,
            folder=folder,
            facts=self.sampling(),
            batch_size=self.batch_size,
            given=None if self.heard is None else self.heard.given,
        )

    def measured(self, files: Sequence[Path]) -> Sequence[VideoClip]:
        """The frames of the videos that the model made."""
        num_given = 0 if self.heard is None else self.heard.num_given
        return WithoutFirstFrames(VideoFiles(files), num_given) if num_given else VideoFiles(files)

    def references(self) -> ReferenceClips | None:
        """For metrics of whole sets: as many real clips as there are, up to 2,048."""
        return self._first(self.num_references)

    def beside(self) -> ReferenceClips | None:
        """As many real clips as videos; where they are paired, the clip whose caption each video was made of."""
        return self._first(len(self.wanted))

    def prompts(self) -> list[str] | None:
        """Of the videos; None for a model without captions."""
        return None if self.pipeline.tokenizer is None else [video.prompt or "" for video in self.wanted]

    def sounds(self) -> list[torch.Tensor] | None:
        """How loud each video is at each frame; None for a model that hears nothing."""
        return None if self.heard is None else self.heard.loudness(len(self.wanted))

    def facts(self) -> dict[str, Any]:
        """How the videos were made, for the record."""
        seeds = [video.seed for video in self.wanted]
        return {
            "count": len(self.wanted),
            "first_seed": seeds[0],
            "last_seed": seeds[-1],
            "prompts": self.prompts_from,
            "distinct_prompts": len({video.prompt for video in self.wanted}),
            **self.sampling(),
        }

    def reference_facts(self) -> dict[str, Any] | None:
        """Which real clips the videos are compared with, and how these were taken."""
        references = self.references()
        if self.real is None or references is None:
            return None
        pairs = "caption" if self.heard is None else self.heard.paired_by
        taken = frames_as_taken(self.processor)
        if self.heard is not None and self.heard.hears:
            taken |= {"num_frames": self.heard.num_frames, "frame_position": "start", "pad_policy": None}
        return {
            "source": self.real.name,
            "count": self.num_references,
            "hash": references.content_hash,
            "frame_rates": self.real.frame_rates(self.processor),
            "processor": taken,
            "pairs": f"the clip of each video's {pairs}" if self.paired else None,
        }

    def sampling(self) -> dict[str, Any]:
        """What all the videos have in common."""
        facts = sampling_facts(self.pipeline, precision=self.precision)
        if self.heard is not None:
            facts |= {"num_frames": self.heard.num_frames, "num_given_frames": self.heard.num_given}
        return facts

    def _first(self, count: int) -> ReferenceClips | None:
        if self.real is None:
            return None
        return self.real.first(count, processor=self.processor, frame_rate=self.pipeline.config.frame_rate)


class WithoutFirstFrames(Sequence[VideoClip]):
    """Clips without the frames at their start that were given."""

    def __init__(self, clips: Sequence[VideoClip], num_given: int) -> None:
        self.clips, self.num_given = clips, num_given

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> VideoClip:  # type: ignore[override]
        clip = self.clips[index]
        return VideoClip(clip.frames[self.num_given :], clip.frame_rate)


def frames_as_taken(processor: VideoProcessor) -> dict[str, Any]:
    """How real clips are cut and scaled: which frames, how far apart, and which resize."""
    described = processor.to_dict()
    names = ("num_frames", "temporal_stride", "target_fps", "frame_position", "pad_policy", "height", "width")
    return {name: described.get(name) for name in (*names, "resize_mode", "crop_position", "interpolation")}


def processor_of(pipeline: VideoGenerationPipeline) -> VideoProcessor:
    """What brings clips to the model's size and length."""
    return pipeline.processor  # type: ignore[attr-defined]
