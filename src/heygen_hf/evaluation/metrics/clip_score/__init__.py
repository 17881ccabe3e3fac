"""CLIP score: the cosine (not times 100) of each clip's frames and its prompt."""

from heygen_hf.evaluation.metrics.clip_score.clip_score import ClipScoreMetric, clip_score

__all__ = ["ClipScoreMetric", "clip_score"]
