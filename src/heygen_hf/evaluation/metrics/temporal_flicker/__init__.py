"""Temporal flicker as VBench defines it: (255 - mean absolute difference of neighbouring frames) / 255."""

from heygen_hf.evaluation.metrics.temporal_flicker.temporal_flicker import TemporalFlickerMetric, temporal_flicker

__all__ = ["TemporalFlickerMetric", "temporal_flicker"]
