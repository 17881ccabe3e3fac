"""Are generated videos copies of training clips? The nearest of them, beside how near real held-out clips come."""

from heygen_hf.evaluation.memorization.nearer_share import NearerShare, nearer_share
from heygen_hf.evaluation.memorization.nearest_clips import NearestClips, find_nearest_clips
from heygen_hf.evaluation.memorization.pixel_features import pixel_features

__all__ = ["NearerShare", "NearestClips", "find_nearest_clips", "nearer_share", "pixel_features"]
