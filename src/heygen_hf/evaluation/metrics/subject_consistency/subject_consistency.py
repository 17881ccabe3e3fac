"""Subject consistency as VBench defines it: the cosine of each frame's features to the previous and the first."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_image_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import SubjectConsistency


def subject_consistency(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """Subject consistency as VBench defines it: the cosine of each frame's features to the previous and the first.

    VBench takes DINO's features (`facebook/dino-vitb16`, `pooling="first_token"`).

    Huang et al. 2024, arXiv:2311.17982.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_image_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> SubjectConsistency:
    network = features if isinstance(features, VideoFeatures) else load_image_features(features)
    return SubjectConsistency(network, settings=settings)


class SubjectConsistencyMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(subject_consistency.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> SubjectConsistency:
        return _make(settings=settings, **options)
