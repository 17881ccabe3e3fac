"""Metrics that are the mean of one figure a clip."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from heygen_hf.evaluation.clip_figures import (
    consecutive_similarity,
    dynamic_degree_of_clips,
    flicker_of_clips,
    frame_psnr,
    frame_ssim,
    identity_similarity_of_embeddings,
    motion_smoothness_of_clips,
    perceptual_distance_of_clips,
    subject_consistency_of_features,
)
from heygen_hf.evaluation.clip_figures.motion import FlowEstimator
from heygen_hf.evaluation.clip_figures.temporal import Interpolator, mean_of_neighbours
from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.features import FeaturePreprocessing, TextVideoFeatures, VideoFeatures
from heygen_hf.evaluation.features.embedded import EMBEDDED_NAME, EMBEDDED_SIZE, embedded_network
from heygen_hf.evaluation.features.loading import IMAGENET_MEAN, IMAGENET_STD
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, halves, mean_bootstrap_interval
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext, with_prefix, without_prefix


class AverageOverClips(ClipMetric):
    """One number a clip is kept, and nothing else; a subclass says what the number is."""

    minimum_count: ClassVar[int] = 1
    features: VideoFeatures | TextVideoFeatures | None = None

    def __init__(self, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.generated = FigurePerClip()
        self.references = FigurePerClip()

    def figures(self, batch: ClipBatch) -> torch.Tensor:
        """`(batch,)`, one figure a clip."""
        raise NotImplementedError

    def update(self, batch: ClipBatch) -> None:
        self.generated.add(self.figures(batch), batch.indices)

    def update_references(self, batch: ClipBatch) -> None:
        if not self.needs_prompts:  # references have no prompts
            self.references.add(self.figures(batch), batch.indices)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {
            **with_prefix("generated", self.generated.to_tensors()),
            **with_prefix("references", self.references.to_tensors()),
        }

    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        for kind, figures in (("generated", self.generated), ("references", self.references)):
            part = without_prefix(kind, tensors)
            figures.add(part["values"], part["indices"])

    def measure(self, context: MetricContext) -> Measurement:
        values, real = self.generated.in_order(), self.references.in_order()
        below = self.check_counts({"generated": len(values)}, at_least=1)
        num_resamples = self.settings.resamples(1000)
        floor = None
        if len(real) > 1:
            first, second = halves(len(real), seed=self.settings.seed)
            floor = abs(float(real[first].mean() - real[second].mean()))
        return Measurement(
            name=self.name,
            value=float(values.mean()),
            count=len(values),
            reference_count=len(real) or (len(values) if self.needs_pairs else None),
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            interval=mean_bootstrap_interval(
                values,
                num_resamples=num_resamples,
                confidence=self.settings.confidence,
                seed=self.settings.seed,
            ),
            minimum_count=self.minimum_count,
            below_minimum=below,
            noise_floor=floor,
            reference_value=float(real.mean()) if len(real) else None,
            provenance=self.provenance(
                context,
                features=self.describe_features(),
                num_resamples=num_resamples,
                options=self.options(),
            ),
            details={"lowest": float(values.min()), "highest": float(values.max())},
        )

    def options(self) -> dict[str, Any]:
        return {}

    def describe_features(self) -> dict[str, Any] | None:
        return None if self.features is None else self.features.describe()


class FigurePerClip:
    """A float64 for each clip, by its index."""

    def __init__(self) -> None:
        self._values: list[torch.Tensor] = []
        self._indices: list[torch.Tensor] = []

    def add(self, values: torch.Tensor, indices: torch.Tensor) -> None:
        self._values.append(values.detach().cpu().double())
        self._indices.append(indices.cpu().long())

    def in_order(self) -> np.ndarray:
        tensors = self.to_tensors()
        order = tensors["indices"].argsort()
        indices = tensors["indices"][order]
        twice = indices[1:][indices[1:] == indices[:-1]]
        if len(twice):
            raise ValueError(f"clip {int(twice[0])} was counted twice; give each process other clips")
        return tensors["values"][order].numpy()

    def to_tensors(self) -> dict[str, torch.Tensor]:
        empty = not self._values
        return {
            "values": torch.zeros(0, dtype=torch.float64) if empty else torch.cat(self._values),
            "indices": torch.zeros(0, dtype=torch.int64) if empty else torch.cat(self._indices),
        }


class PairedAverage(AverageOverClips):
    """A figure of a generated clip and the reference with the same index."""

    needs_references: ClassVar[bool] = True
    needs_pairs: ClassVar[bool] = True

    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        raise NotImplementedError

    def update(self, batch: ClipBatch) -> None:  # noqa: ARG002
        raise ValueError(f"{self.name} compares each clip with its reference; give both at once")

    def update_references(self, batch: ClipBatch) -> None:  # noqa: ARG002
        raise ValueError(f"{self.name} compares each clip with its reference; give both at once")

    def update_pairs(self, batch: ClipBatch, references: ClipBatch) -> None:
        self.generated.add(self.pair_figures(batch, references), batch.indices)


class Psnr(PairedAverage):
    name = "psnr"
    convention = "of each frame for pixels in [0, 1] (data_range 1), the mean over frames, then over clips"
    unit = "dB"

    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        return frame_psnr(batch.clips, references.clips, data_range=1.0)

    def options(self) -> dict[str, Any]:
        return {"data_range": 1.0}


class Ssim(PairedAverage):
    name = "ssim"
    convention = (
        "of each frame and channel for pixels in [0, 1] (data_range 1), Gaussian windows of 11x11 (σ 1.5), K1 0.01, K2 "
        "0.03 (Wang et al. 2004)"
    )

    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        return frame_ssim(batch.clips, references.clips, data_range=1.0)

    def options(self) -> dict[str, Any]:
        return {"data_range": 1.0, "window": 11, "sigma": 1.5}


class PerceptualDistance(PairedAverage):
    """Args:
    network: of images, gives maps; by default the embedded one, which is no LPIPS.
    preprocessing: of its pixels; by default ImageNet's normalisation, and the embedded network's own.
    """

    name = "perceptual_distance"
    convention = (
        "squared distance of a network's activations, of unit length at each place, the mean over places, layers and "
        "frames (Zhang et al. 2018, arXiv:1801.03924, without learned weights)"
    )
    higher_is_better = False

    def __init__(
        self,
        network: torch.nn.Module | None = None,
        *,
        preprocessing: FeaturePreprocessing | None = None,
        settings: MeasuringSettings | None = None,
    ) -> None:
        super().__init__(settings=settings)
        if preprocessing is None and network is None:
            preprocessing = FeaturePreprocessing(height=EMBEDDED_SIZE, width=EMBEDDED_SIZE, value_range=(-1.0, 1.0))
        # what is described is what is used: VideoFeatures here only names, prepares and hashes
        self.features = VideoFeatures(
            embedded_network() if network is None else network,
            name=EMBEDDED_NAME if network is None else type(network).__name__,
            preprocessing=preprocessing or FeaturePreprocessing(mean=IMAGENET_MEAN, std=IMAGENET_STD),
        )

    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        prepare, network = self.features.preprocessing, self.features.network
        device = next(network.parameters()).device
        ours, theirs = (prepare(clips.to(device)) for clips in (batch.clips, references.clips))
        return perceptual_distance_of_clips(network, ours, theirs)


class IdentitySimilarity(PairedAverage):
    """Args:
    features: of a network of faces (or whatever tells identities apart), a vector a frame.
    """

    name = "identity_similarity"
    convention = "mean over frames of the cosine between a frame's embedding and the mean direction of the reference's"
    unit = "cosine"

    def __init__(self, features: VideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.features = features

    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        return identity_similarity_of_embeddings(batch.features(self.features), references.features(self.features))


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
