"""Retrieval R@K: of how many queries is the right candidate among the first K?"""

from heygen_hf.evaluation.metrics.retrieval_recall.retrieval_recall import RetrievalRecall, retrieval_recall

__all__ = ["RetrievalRecall", "retrieval_recall"]
