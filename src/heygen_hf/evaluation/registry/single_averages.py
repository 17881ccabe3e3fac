"""Means over clips of what each is by itself, or beside its prompt."""

from typing import Any, ClassVar

import torch

from heygen_hf.evaluation.clip_figures import (
    consecutive_similarity,
    dynamic_degree_of_clips,
    flicker_of_clips,
    motion_smoothness_of_clips,
    subject_consistency_of_features,
)
from heygen_hf.evaluation.clip_figures.motion import FlowEstimator
from heygen_hf.evaluation.clip_figures.temporal import Interpolator, mean_of_neighbours
from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.features import TextVideoFeatures, VideoFeatures
from heygen_hf.evaluation.measuring import MeasuringSettings
from heygen_hf.evaluation.registry.averages import AverageOverClips


class TemporalFlicker(AverageOverClips):
    name = "temporal_flicker"
    convention = "(255 - mean absolute difference of neighbouring frames) / 255 (VBench); 1 is none, motion lowers it"
    unit = "share"

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        return flicker_of_clips(batch.clips)


class MotionSmoothness(AverageOverClips):
    """Args:
    interpolate: makes the frame between two; the mean of both by default.
    """

    name = "motion_smoothness"
    convention = "(255 - mean absolute error of every second frame interpolated) / 255 (VBench, there by AMT-S)"
    unit = "share"

    def __init__(self, interpolate: Interpolator | None = None, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.interpolate = interpolate or mean_of_neighbours

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        return motion_smoothness_of_clips(batch.clips, interpolate=self.interpolate)

    def options(self) -> dict[str, Any]:
        return {"interpolator": getattr(self.interpolate, "__name__", type(self.interpolate).__name__)}


class DynamicDegree(AverageOverClips):
    """Args:
    estimate_flow: optical flow between two frames; by blocks of 7x7 in whole pixels by default.
    """

    name = "dynamic_degree"
    convention = (
        "share of clips in which the fastest 5 % of pixels move by more than 6 pixels (at a shorter edge of 256) "
        "between a quarter of the frames, at about 8 frames a second where the rate is known (VBench, there by RAFT)"
    )
    higher_is_better: ClassVar[bool | None] = None
    unit = "share"

    def __init__(
        self, estimate_flow: FlowEstimator | None = None, *, settings: MeasuringSettings | None = None
    ) -> None:
        super().__init__(settings=settings)
        self.estimate_flow = estimate_flow

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        return dynamic_degree_of_clips(batch.clips, frame_rate=batch.shape.frame_rate, estimate_flow=self.estimate_flow)

    def options(self) -> dict[str, Any]:
        flow = self.estimate_flow
        return {"flow": "blocks of 7x7" if flow is None else getattr(flow, "__name__", type(flow).__name__)}


class SubjectConsistency(AverageOverClips):
    """Args:
    features: of frames; VBench takes DINO's.
    """

    name = "subject_consistency"
    convention = "mean of each frame's cosine to the previous and to the first frame, neither below 0 (VBench)"

    def __init__(self, features: VideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.features = features

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        return subject_consistency_of_features(batch.features(self.features))


class TemporalConsistency(AverageOverClips):
    """Args:
    features: of frames.
    """

    name = "temporal_consistency"
    convention = "mean cosine between the features of neighbouring frames"
    unit = "cosine"

    def __init__(self, features: VideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.features = features

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        return consecutive_similarity(batch.features(self.features))


class ClipScore(AverageOverClips):
    """Args:
    features: of texts and clips in one space.
    """

    name = "clip_score"
    convention = "cosine (not times 100) between the prompt and each frame, the mean over frames, then over clips"
    unit = "cosine"
    needs_prompts = True

    def __init__(self, features: TextVideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.features = features

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        if batch.prompts is None:
            raise ValueError("clip_score needs the prompt of each clip; give prompts")
        texts = self.features.texts(batch.prompts)  # type: ignore[union-attr]
        frames = self.features.clips(batch.clips)  # type: ignore[union-attr]
        return (frames * texts[:, None]).sum(-1).double().mean(1)
