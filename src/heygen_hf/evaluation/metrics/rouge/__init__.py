"""ROUGE F-measures in [0, 1], by rouge_score, offline, for `evaluate`."""

from heygen_hf.evaluation.metrics.rouge.rouge import Rouge

__all__ = ["Rouge"]
