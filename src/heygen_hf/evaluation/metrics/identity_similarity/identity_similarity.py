"""Identity similarity: the cosine between embeddings of generated frames and of the one they should show."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_image_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.paired_averages import IdentitySimilarity


def identity_similarity(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """Identity similarity: the cosine between embeddings of generated frames and of the one they should show.

    Give features of a network of faces; those of any other network tell pictures apart, not people.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: the reference of each clip, in order.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_image_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> IdentitySimilarity:
    network = features if isinstance(features, VideoFeatures) else load_image_features(features)
    return IdentitySimilarity(network, settings=settings)


class IdentitySimilarityMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(identity_similarity.__doc__ or "", paired=True)

    def make(self, *, settings: MeasuringSettings, **options: Any) -> IdentitySimilarity:
        return _make(settings=settings, **options)
