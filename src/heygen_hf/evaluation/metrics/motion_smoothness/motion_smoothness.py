"""Motion smoothness as VBench defines it: how well every second frame is interpolated from its neighbours."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.clip_figures.temporal import Interpolator
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import MotionSmoothness


def motion_smoothness(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    *,
    interpolate: Interpolator | None = None,
    **settings: Any,
) -> Measurement:
    """Motion smoothness as VBench defines it: how well every second frame is interpolated from its neighbours.

    VBench interpolates by a network, AMT-S; by default it is the mean of both neighbours here.

    Huang et al. 2024, arXiv:2311.17982.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        interpolate: makes the frame between two.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, interpolate=interpolate), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, interpolate: Interpolator | None = None) -> MotionSmoothness:
    return MotionSmoothness(interpolate, settings=settings)


class MotionSmoothnessMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(motion_smoothness.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> MotionSmoothness:
        return _make(settings=settings, **options)
