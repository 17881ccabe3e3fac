"""Means over clips of how near each is to its reference."""

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from heygen_hf.evaluation.clip_figures import (
    frame_psnr,
    frame_ssim,
    identity_similarity_of_embeddings,
    perceptual_distance_of_clips,
)
from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.features import FeaturePreprocessing, VideoFeatures
from heygen_hf.evaluation.features.embedded import EMBEDDED_NAME, EMBEDDED_SIZE, embedded_network
from heygen_hf.evaluation.features.loading import IMAGENET_MEAN, IMAGENET_STD
from heygen_hf.evaluation.measuring import MeasuringSettings
from heygen_hf.evaluation.registry.averages import AverageOfFigures


class PairedAverage(AverageOfFigures):
    """A figure of a generated clip and the reference with the same index."""

    needs_references: ClassVar[bool] = True
    needs_pairs: ClassVar[bool] = True

    @abstractmethod
    def pair_figures(self, batch: ClipBatch, references: ClipBatch) -> torch.Tensor:
        """`(batch,)`, one figure a pair."""

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
