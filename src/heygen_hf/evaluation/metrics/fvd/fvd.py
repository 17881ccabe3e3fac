"""Fréchet video distance: how far the features of generated clips lie from those of real ones, both as Gaussians."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_video_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.distances import FrechetVideoDistance


def fvd(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """Fréchet video distance: how far the features of generated clips lie from those of real ones, both as Gaussians.

    256 clips of each at least; 2,048 of 16 frames with I3D are the standard.

    Unterthiner et al. 2018, arXiv:1812.01717.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips of the same size, length and rate; `ReferenceClips` with `cache_dir` are looked at once.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_video_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> FrechetVideoDistance:
    network = features if isinstance(features, VideoFeatures) else load_video_features(features)
    return FrechetVideoDistance(network, settings=settings)


class FVD(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(fvd.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> FrechetVideoDistance:
        return _make(settings=settings, **options)
