"""Fréchet distance of frames: how far features of generated frames lie from those of real ones, both as Gaussians."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_image_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.distances import FrechetInceptionDistance


def fid(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """Fréchet distance of frames: how far features of generated frames lie from those of real ones, both as Gaussians.

    8 frames of each clip, spread evenly, unless the features say otherwise; 2,048 frames of each at least.

    Heusel et al. 2017, arXiv:1706.08500.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips of the same size, length and rate; `ReferenceClips` with `cache_dir` are looked at once.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_image_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> FrechetInceptionDistance:
    network = features if isinstance(features, VideoFeatures) else load_image_features(features, num_frames=8)
    return FrechetInceptionDistance(network, settings=settings)


class FID(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(fid.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> FrechetInceptionDistance:
        return _make(settings=settings, **options)
