"""Metrics by name, and how they are computed of generated clips, reference clips and prompts in one pass."""

from heygen_hf.evaluation.registry.compute import compute_metrics
from heygen_hf.evaluation.registry.metric import ClipMetric
from heygen_hf.evaluation.registry.models import MetricModels
from heygen_hf.evaluation.registry.names import METRICS, MetricEntry, metric_entry, metric_path

__all__ = [
    "METRICS",
    "ClipMetric",
    "MetricEntry",
    "MetricModels",
    "compute_metrics",
    "metric_entry",
    "metric_path",
]
