"""Distances between two sets of features, from statistics that accumulate in constant memory and merge."""

from heygen_hf.evaluation.distributions.feature_statistics import FeatureStatistics
from heygen_hf.evaluation.distributions.frechet import (
    frechet_distance,
    frechet_distance_of_features,
    frechet_distance_of_statistics,
)
from heygen_hf.evaluation.distributions.inception_score import ScoreStatistics, inception_score_of_logits
from heygen_hf.evaluation.distributions.polynomial_mmd import polynomial_mmd, polynomial_mmd_of_statistics
from heygen_hf.evaluation.distributions.reference_cache import load_statistics, reference_key, save_statistics

__all__ = [
    "FeatureStatistics",
    "ScoreStatistics",
    "frechet_distance",
    "frechet_distance_of_features",
    "frechet_distance_of_statistics",
    "inception_score_of_logits",
    "load_statistics",
    "polynomial_mmd",
    "polynomial_mmd_of_statistics",
    "reference_key",
    "save_statistics",
]
