"""Inception Score: are a classifier's classes of generated clips sure, and are they many?"""

from heygen_hf.evaluation.metrics.inception_score.inception_score import InceptionScoreMetric, inception_score

__all__ = ["InceptionScoreMetric", "inception_score"]
