"""The Inception Score, of a classifier's logits."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch

from heygen_hf.evaluation.clip_stream import ClipBatch
from heygen_hf.evaluation.distributions import ScoreStatistics, inception_score_of_logits
from heygen_hf.evaluation.features import VideoFeatures
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings, centred_interval, draw_counts, halves
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext, with_prefix, without_prefix


class InceptionScore(ClipMetric):
    """Args:
    classifier: its features are logits.
    """

    name: ClassVar[str] = "is"
    convention: ClassVar[str] = (
        "exp of the mean KL divergence of each clip's class probabilities from their mean, in one split (Salimans et "
        "al. 2016, arXiv:1606.03498)"
    )
    minimum_count: ClassVar[int] = 256

    def __init__(self, classifier: VideoFeatures, *, settings: MeasuringSettings | None = None) -> None:
        super().__init__(settings=settings)
        self.classifier = classifier
        self.generated, self.references = self._empty(), self._empty()

    def update(self, batch: ClipBatch) -> None:
        self.generated.update(batch.features(self.classifier), batch.indices)

    def update_references(self, batch: ClipBatch) -> None:
        self.references.update(batch.features(self.classifier), batch.indices)

    def to_tensors(self) -> dict[str, torch.Tensor]:
        return {
            **with_prefix("generated", self.generated.to_tensors()),
            **with_prefix("references", self.references.to_tensors()),
        }

    def merge_tensors(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self.generated.merge(ScoreStatistics.from_tensors(without_prefix("generated", tensors)))
        self.references.merge(ScoreStatistics.from_tensors(without_prefix("references", tensors)))

    def measure(self, context: MetricContext) -> Measurement:
        generated = self.generated
        below = self.check_counts({"generated": generated.num_clips}, at_least=1)
        value = generated.score()
        kept = generated.kept_logits.kept
        num_resamples = self.settings.resamples(1000) if len(kept) > 1 else 0
        counts = draw_counts(len(kept), num_resamples=num_resamples, seed=self.settings.seed)
        resampled = generated.resampled(counts) if num_resamples else np.zeros(0)
        real = self.references.kept_logits.kept
        floor = None
        if len(real) > 1:
            first, second = (
                inception_score_of_logits(real[half].flatten(0, 1))
                for half in halves(len(real), seed=self.settings.seed)
            )
            floor = abs(first - second)
        return Measurement(
            name=self.name,
            value=value,
            count=generated.num_clips,
            reference_count=self.references.num_clips or None,
            higher_is_better=True,
            interval=centred_interval(
                value,
                resampled,
                confidence=self.settings.confidence,
                lowest=1.0,
                kept_share=len(kept) / max(1, generated.num_clips),
            ),
            minimum_count=self.minimum_count,
            below_minimum=below,
            noise_floor=floor,
            reference_value=self.references.score() if self.references.num_clips else None,
            provenance=self.provenance(
                context,
                features=self.classifier.describe(),
                num_resamples=num_resamples,
                options={"num_classes": kept.shape[-1], "splits": 1},
            ),
        )

    def _empty(self) -> ScoreStatistics:
        return ScoreStatistics(max_kept_clips=self.settings.max_kept_clips, seed=self.settings.seed)
