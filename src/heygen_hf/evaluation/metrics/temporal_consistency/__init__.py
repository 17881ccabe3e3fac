"""Temporal consistency: the mean cosine between the features of neighbouring frames."""

from heygen_hf.evaluation.metrics.temporal_consistency.temporal_consistency import (
    TemporalConsistencyMetric,
    temporal_consistency,
)

__all__ = ["TemporalConsistencyMetric", "temporal_consistency"]
