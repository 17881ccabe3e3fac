"""Temporal flicker as VBench defines it: (255 - mean absolute difference of neighbouring frames) / 255."""

from collections.abc import Iterable
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import TemporalFlicker


def temporal_flicker(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    **settings: Any,
) -> Measurement:
    """Temporal flicker as VBench defines it: (255 - mean absolute difference of neighbouring frames) / 255.

    1 is no flicker. It is meant for clips that should stand still; motion lowers it.

    Huang et al. 2024, arXiv:2311.17982.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(_make, generated, references, settings=settings)


def _make(*, settings: MeasuringSettings) -> TemporalFlicker:
    return TemporalFlicker(settings=settings)


class TemporalFlickerMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(temporal_flicker.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> TemporalFlicker:
        return _make(settings=settings, **options)
