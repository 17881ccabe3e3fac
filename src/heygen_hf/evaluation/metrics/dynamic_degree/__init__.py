"""Dynamic degree as VBench defines it: the share of clips in which something moves."""

from heygen_hf.evaluation.metrics.dynamic_degree.dynamic_degree import DynamicDegreeMetric, dynamic_degree

__all__ = ["DynamicDegreeMetric", "dynamic_degree"]
