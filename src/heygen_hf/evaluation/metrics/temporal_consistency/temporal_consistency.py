"""Temporal consistency: the mean cosine between the features of neighbouring frames."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_image_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import TemporalConsistency


def temporal_consistency(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """Temporal consistency: the mean cosine between the features of neighbouring frames.

    With CLIP's image features it is known as frame consistency.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_image_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> TemporalConsistency:
    network = features if isinstance(features, VideoFeatures) else load_image_features(features)
    return TemporalConsistency(network, settings=settings)


class TemporalConsistencyMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(temporal_consistency.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> TemporalConsistency:
        return _make(settings=settings, **options)
