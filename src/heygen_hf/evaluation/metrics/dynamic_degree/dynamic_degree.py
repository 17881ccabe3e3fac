"""Dynamic degree as VBench defines it: the share of clips in which something moves."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.clip_figures.motion import FlowEstimator
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.single_averages import DynamicDegree


def dynamic_degree(
    generated: Iterable[Any],
    references: Iterable[Any] | None = None,
    *,
    estimate_flow: FlowEstimator | None = None,
    **settings: Any,
) -> Measurement:
    """Dynamic degree as VBench defines it: the share of clips in which something moves.

    VBench takes RAFT's optical flow; by default blocks of pixels are matched here.

    Huang et al. 2024, arXiv:2311.17982.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: real clips, of which the same figure is given beside; or None.
        estimate_flow: optical flow between two frames.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, estimate_flow=estimate_flow), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, estimate_flow: FlowEstimator | None = None) -> DynamicDegree:
    return DynamicDegree(estimate_flow, settings=settings)


class DynamicDegreeMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(dynamic_degree.__doc__ or "")

    def make(self, *, settings: MeasuringSettings, **options: Any) -> DynamicDegree:
        return _make(settings=settings, **options)
