"""Perceptual distance of clips to their references, in the activations of a network."""

from heygen_hf.evaluation.metrics.perceptual_distance.perceptual_distance import (
    PerceptualDistanceMetric,
    perceptual_distance,
)

__all__ = ["PerceptualDistanceMetric", "perceptual_distance"]
