"""Perceptual distance of clips to their references, in the activations of a network."""

from collections.abc import Iterable
from functools import partial
from typing import Any

import evaluate
from torch import nn

import heygen_hf.evaluation.evaluate_modules as modules
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.paired_averages import PerceptualDistance


def perceptual_distance(
    generated: Iterable[Any],
    references: Iterable[Any],
    *,
    network: nn.Module | None = None,
    **settings: Any,
) -> Measurement:
    """Perceptual distance of clips to their references, in the activations of a network.

    The network is one of images that gives maps, such as `heygen_hf.losses.load_vgg16_features()`; by default the
    embedded one, whose figures compare with nothing else.

    Zhang et al. 2018, arXiv:1801.03924.

    Args:
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1].
        references: the reference of each clip, in order.
        network: of images, gives maps (images, channels, height, width).
        **settings: of `MeasuringSettings`: seed, num_resamples, allow_too_few, cache_dir …

    Raises:
        ValueError: too few clips, or clips of mixed kinds.
    """
    return modules.measured(partial(_make, network=network), generated, references, settings=settings)


def _make(*, settings: MeasuringSettings, network: nn.Module | None = None) -> PerceptualDistance:
    return PerceptualDistance(network, settings=settings)


class PerceptualDistanceMetric(modules.ClipEvaluateModule):
    """The same for `evaluate`."""

    def _info(self) -> evaluate.MetricInfo:
        return modules.clip_metric_info(perceptual_distance.__doc__ or "", paired=True)

    def make(self, *, settings: MeasuringSettings, **options: Any) -> PerceptualDistance:
        return _make(settings=settings, **options)
