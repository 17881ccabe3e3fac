"""Content-debiased Fréchet video distance: by a VideoMAE's features, which see motion as much as content."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, content_debiased_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.distances import ContentDebiasedFVD


def content_debiased_fvd(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    features: str | VideoFeatures,
    **settings: Any,
) -> Measurement:
    """Content-debiased Fréchet video distance: by a VideoMAE's features, which see motion as much as content.

    16 frames of 224x224, pixels in [0, 1] without ImageNet's normalisation, the mean over tokens; published figures are
    of VideoMAE-v2 ViT-g.

    Ge et al. 2024, arXiv:2404.12391.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips of the same size, length and rate; `ReferenceClips` with `cache_dir` are looked at once.
        features: a VideoMAE, as a folder, a Hub name, or an object of `content_debiased_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures) -> ContentDebiasedFVD:
    network = features if isinstance(features, VideoFeatures) else content_debiased_features(features)
    return ContentDebiasedFVD(network, settings=settings)


class ContentDebiasedFVD(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(content_debiased_fvd.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> ContentDebiasedFVD:
        return _make(settings=settings, **options)
