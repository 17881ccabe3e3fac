"""Identity similarity: the cosine between embeddings of generated frames and of the one they should show."""

from heygen_hf.evaluation.metrics.identity_similarity.identity_similarity import (
    IdentitySimilarityMetric,
    identity_similarity,
)

__all__ = ["IdentitySimilarityMetric", "identity_similarity"]
