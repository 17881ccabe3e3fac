"""Metrics that compare two sets of clips by their features: FVD, its content-debiased form, FID and JEDi."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.distributions import (
    FeatureStatistics,
    frechet_distance_of_features,
    frechet_distance_of_statistics,
    load_statistics,
    polynomial_mmd,
    polynomial_mmd_of_statistics,
    reference_key,
    save_statistics,
)
from heygen_hf.evaluation.distributions.polynomial_mmd import resampled_polynomial_mmd
from heygen_hf.evaluation.features import VideoFeatures
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, centred_interval, draw_counts, part_and_rest
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext, with_prefix, without_prefix

_FEW_FEATURES = 512  # up to here a hundred Fréchet distances take seconds


class FeatureDistance(ClipMetric):
    """A distance between the features of generated clips and of references.

    Args:
        features: the network that looks at both.
    """

    higher_is_better: ClassVar[bool | None] = False
    needs_references: ClassVar[bool] = True
    counted: ClassVar[str] = "clips"

    def __init__(self, features: VideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.features = features
        self.generated = self._empty()
        self.references = self._empty()
        self.references_cached = False

    def update(self, batch: ClipBatch) -> None:
        self.generated.update(batch.features(self.features), batch.indices)

    def update_references(self, batch: ClipBatch) -> None:
        if not self.references_cached:
            self.references.update(batch.features(self.features), batch.indices)

    def load_references(self, content_hash: str) -> bool:
        if self.settings.cache_dir is not None:
            found = load_statistics(self.settings.cache_dir, self._key(content_hash))
            if found is not None:
                self.references, self.references_cached = found, True
        return self.references_cached

    def forget_references(self) -> None:
        self.references, self.references_cached = self._empty(), False

    def save_references(self, content_hash: str) -> None:
        if self.settings.cache_dir is not None and not self.references_cached:
            description = {"content_hash": content_hash, "features": self.features.describe()}
            description |= {"num_clips": self.references.num_clips, "num_vectors": self.references.count}
            save_statistics(self.settings.cache_dir, self._key(content_hash), self.references, description)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {
            **with_prefix("generated", self.generated.to_tensors()),
            # from the cache they are whole in every process, and merged they would count twice
            **({} if self.references_cached else with_prefix("references", self.references.to_tensors())),
        }

    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.generated.merge(FeatureStatistics.from_tensors(without_prefix("generated", tensors)))
        references = without_prefix("references", tensors)
        if references and not self.references_cached:
            self.references.merge(FeatureStatistics.from_tensors(references))

    def measure(self, context: MetricContext) -> Measurement:
        generated, references = self.generated, self.references
        counts = {"generated": self._counted(generated), "reference": self._counted(references)}
        below = self.check_counts(counts, at_least=2, unit=self.counted)
        value = self.distance(generated, references)
        resampled = self.resampled(generated.kept, references.kept)
        # A distance falls with the number of clips: the floor is that of as many as are measured.
        first, second = part_and_rest(len(references.kept), part=generated.num_clips, seed=self.settings.seed)
        enough = len(first) * references.kept.shape[1] >= 2
        return Measurement(
            name=self.name,
            value=value,
            count=generated.num_clips,
            reference_count=references.num_clips,
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            interval=centred_interval(
                value,
                resampled,
                confidence=self.settings.confidence,
                kept_share=min(1.0, len(generated.kept) / generated.num_clips),
            ),
            minimum_count=self.minimum_count,
            below_minimum=below,
            noise_floor=self.distance_of_features(references.kept[first], references.kept[second]) if enough else None,
            provenance=self.provenance(
                context,
                features={**self.features.describe(), "dimension": generated.dimension},
                reference_cached=self.references_cached,
                num_resamples=len(resampled),
                options=self.options(),
            ),
            details={
                "noise_floor_clips": [len(first), len(second)],
                f"generated_{self.counted}": counts["generated"],
                f"reference_{self.counted}": counts["reference"],
            },
        )

    def options(self) -> dict[str, object]:
        return {"interval": "bootstrap over clips of both sets, centred on the value"}

    @abstractmethod
    def distance(self, generated: FeatureStatistics, references: FeatureStatistics) -> float:
        """Of everything that was taken in."""

    @abstractmethod
    def distance_of_features(self, first: torch.Tensor, second: torch.Tensor) -> float:
        """Of two sets of features, `(clips, features of a clip, width)`."""

    @abstractmethod
    def resampled(self, generated: torch.Tensor, references: torch.Tensor) -> np.ndarray:
        """Distances of bootstrap draws of both sets."""

    def draws(
        self, generated: torch.Tensor, references: torch.Tensor, num_resamples: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """How often each clip of either set is drawn; none where a set is too small to say anything."""
        if min(len(generated), len(references)) < 3:
            num_resamples = 0
        seed = self.settings.seed
        return (
            draw_counts(len(generated), num_resamples=num_resamples, seed=seed),
            draw_counts(len(references), num_resamples=num_resamples, seed=seed + 1),
        )

    def _counted(self, statistics: FeatureStatistics) -> int:
        return statistics.num_clips

    def _empty(self) -> FeatureStatistics:
        return FeatureStatistics(max_kept_clips=self.settings.max_kept_clips, seed=self.settings.seed)

    def _key(self, content_hash: str) -> str:
        return reference_key(
            content_hash=content_hash,
            features=self.features.describe(),
            max_kept_clips=self.settings.max_kept_clips,
            seed=self.settings.seed,
        )


class FrechetVideoDistance(FeatureDistance):
    name = "fvd"
    convention = (
        "Fréchet distance between Gaussians fitted to features of whole clips (Unterthiner et al. 2018, "
        "arXiv:1812.01717); covariances over count - 1, in float64"
    )
    minimum_count = 256

    def distance(self, generated: FeatureStatistics, references: FeatureStatistics) -> float:
        return frechet_distance_of_statistics(generated, references)

    def distance_of_features(self, first: torch.Tensor, second: torch.Tensor) -> float:
        return frechet_distance_of_features(first, second)

    def resampled(self, generated: torch.Tensor, references: torch.Tensor) -> np.ndarray:
        vectors = min(len(each) * each.shape[1] for each in (generated, references))
        cheap = min(generated.shape[-1], vectors) <= _FEW_FEATURES
        draws = self.draws(generated, references, self.settings.resamples(100 if cheap else 30))
        return np.array(
            [
                frechet_distance_of_features(generated, references, counts_a=ours, counts_b=theirs)
                for ours, theirs in zip(*draws, strict=True)
                if min(np.count_nonzero(ours), np.count_nonzero(theirs)) >= 2
            ]
        )


class ContentDebiasedFVD(FrechetVideoDistance):
    name = "content_debiased_fvd"
    convention = (
        "Fréchet distance of VideoMAE features: 16 frames, bilinear, pixels in [0, 1] without ImageNet's "
        "normalisation, mean over tokens (Ge et al. 2024, arXiv:2404.12391)"
    )


class FrechetInceptionDistance(FrechetVideoDistance):
    name = "fid"
    convention = (
        "Fréchet distance between Gaussians fitted to features of frames (Heusel et al. 2017, arXiv:1706.08500); "
        "covariances over count - 1, in float64; resampled by clips"
    )
    minimum_count = 2048
    counted = "frames"

    def _counted(self, statistics: FeatureStatistics) -> int:
        return statistics.count


class Jedi(FeatureDistance):
    name = "jedi"
    convention = (
        "100 x squared maximum mean discrepancy of clip features under the kernel (x·y / features)², means over all "
        "pairs (Luo et al. 2024, arXiv:2410.05203, with V-JEPA features)"
    )
    minimum_count = 100

    def distance(self, generated: FeatureStatistics, references: FeatureStatistics) -> float:
        return 100 * polynomial_mmd_of_statistics(generated, references)

    def distance_of_features(self, first: torch.Tensor, second: torch.Tensor) -> float:
        return 100 * polynomial_mmd(first.flatten(0, 1), second.flatten(0, 1))

    def resampled(self, generated: torch.Tensor, references: torch.Tensor) -> np.ndarray:
        draws = self.draws(generated, references, self.settings.resamples(1000))
        if not len(draws[0]):
            return np.zeros(0)
        return 100 * resampled_polynomial_mmd(generated.flatten(0, 1), references.flatten(0, 1), *draws)
