"""CLIP score: the cosine (not times 100) of each clip's frames and its prompt."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.features import TextVideoFeatures, load_text_video_features
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import ClipScore


def clip_score(
    generated: Iterable[Any],
    prompts: Sequence[str],
    *,
    features: str | TextVideoFeatures,
    **settings: Any,
) -> Measurement:
    """CLIP score: the cosine (not times 100) of each clip's frames and its prompt.

    Hessel et al. 2021, arXiv:2104.08718, which multiplies by 2.5 and leaves out what is below 0; this
    is the plain cosine.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        prompts: one a clip.
        features: CLIP or a like model, as a folder, a Hub name or an object of `load_text_video_features`.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, features=features), generated, None, prompts=prompts, settings=settings)


def _make(*, settings: MeasuringSettings, features: str | TextVideoFeatures) -> ClipScore:
    network = features if isinstance(features, TextVideoFeatures) else load_text_video_features(features)
    return ClipScore(network, settings=settings)


class ClipScoreMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(clip_score.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> ClipScore:
        return _make(settings=settings, **options)
