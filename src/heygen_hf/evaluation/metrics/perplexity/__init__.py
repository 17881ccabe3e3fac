"""Perplexity from the loss of each token, offline, for `evaluate`."""

from heygen_hf.evaluation.metrics.perplexity.perplexity import Perplexity

__all__ = ["Perplexity"]
