"""JEDi: 100 times the squared maximum mean discrepancy of clip features under a polynomial kernel of degree 2."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import VideoFeatures, load_video_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.distances import Jedi


def jedi(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    features: str | VideoFeatures = "embedded",
    **settings: Any,
) -> Measurement:
    """JEDi: 100 times the squared maximum mean discrepancy of clip features under a polynomial kernel of degree 2.

    It settles with far fewer clips than FVD: 100 of each at least. Published figures are of V-JEPA with the attentive
    pooler of its SSv2 probe; `pooling="attentive"` of `load_video_features` takes that of a V-JEPA 2 classifier.

    Luo et al. 2024, arXiv:2410.05203.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips of the same size, length and rate; `ReferenceClips` with `cache_dir` are looked at once.
        features: the network, as `"embedded"`, a folder, a Hub name or an object of `load_video_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | VideoFeatures = "embedded") -> Jedi:
    network = features if isinstance(features, VideoFeatures) else load_video_features(features)
    return Jedi(network, settings=settings)


class JEDi(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(jedi.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> Jedi:
        return _make(settings=settings, **options)
