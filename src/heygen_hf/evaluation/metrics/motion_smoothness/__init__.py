"""Motion smoothness as VBench defines it: how well every second frame is interpolated from its neighbours."""

from heygen_hf.evaluation.metrics.motion_smoothness.motion_smoothness import MotionSmoothnessMetric, motion_smoothness

__all__ = ["MotionSmoothnessMetric", "motion_smoothness"]
