"""Structural similarity of clips to their references, the mean over frames and channels, for pixels in [0, 1]."""

from collections.abc import Iterable
from typing import Any

import evaluate

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.paired_averages import Ssim


def ssim(
    generated: Iterable[Any],
    references: Iterable[Any],
    **settings: Any,
) -> Measurement:
    """Structural similarity of clips to their references, the mean over frames and channels, for pixels in [0, 1].

    Of pixels in [0, 1] (data_range 1); see `frame_ssim` for plain tensors of another range.

    Wang et al. 2004.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: the reference of each clip, in order.
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(_make, generated, references, settings=settings)


def _make(*, settings: MeasuringSettings) -> Ssim:
    return Ssim(settings=settings)


class SSIM(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(ssim.__doc__ or "", paired=True)

    def make(self, *, settings: MeasuringSettings, **options: Any) -> Ssim:
        return _make(settings=settings, **options)
