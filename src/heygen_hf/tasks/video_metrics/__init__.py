"""Metrics of `heygen_hf.evaluation` of a run's videos, or of a folder of videos: `heygen-hf evaluate --metrics`."""

from heygen_hf.tasks.video_metrics.measure import MeasuredVideos, measure_videos

__all__ = ["MeasuredVideos", "measure_videos"]
