"""Metrics of `heygen_hf.evaluation` of a run's videos, or of a folder of videos: `heygen-hf evaluate --metrics`."""

from heygen_hf.tasks.video_metrics.checkpoints import MeasuredCheckpoints, measure_checkpoints
from heygen_hf.tasks.video_metrics.measure import MeasuredVideos, measure_videos

__all__ = ["MeasuredCheckpoints", "MeasuredVideos", "measure_checkpoints", "measure_videos"]
