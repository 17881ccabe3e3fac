"""Subject consistency as VBench defines it: the cosine of each frame's features to the previous and the first."""

from heygen_hf.evaluation.metrics.subject_consistency.subject_consistency import (
    SubjectConsistencyMetric,
    subject_consistency,
)

__all__ = ["SubjectConsistencyMetric", "subject_consistency"]
