"""Inception Score: are a classifier's classes of generated clips sure, and are they many?"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_video_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.scores import InceptionScore


def inception_score(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    *,
    features: str | VideoFeatures,
    **settings: Any,
) -> Measurement:
    """Inception Score: are a classifier's classes of generated clips sure, and are they many?

    The classifier is one of videos, such as a run's judge, or an object that gives logits; there is no default.

    Salimans et al. 2016, arXiv:1606.03498.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        features: the classifier, as a folder, a Hub name, or an object that gives logits.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures) -> InceptionScore:
    network = features if isinstance(features, VideoFeatures) else load_video_features(features, pooling="logits")
    return InceptionScore(network, settings=settings)


class InceptionScoreMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(inception_score.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> InceptionScore:
        return _make(settings=settings, **options)
