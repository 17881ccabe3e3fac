"""Intervals of figures that are no share of independent trials, such as F1 over words of the same files."""

from collections.abc import Callable

import numpy as np


def cluster_bootstrap_interval(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    *,
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of `statistic(sum of counts)`, the clusters drawn again with replacement.

    Words of one file, or sentences of one speaker, are alike: an interval over words would be too narrow.

    Args:
        counts: `(clusters, …)`, what each cluster adds, such as its confusion matrix.
        statistic: of a sum of counts over clusters.
        num_resamples: how often clusters are drawn.
        confidence: in (0, 1).
        seed: of the draws; the same gives the same interval.

    Raises:
        ValueError: fewer than two clusters, which say nothing about their spread.

    Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    if len(counts) < 2:
        raise ValueError(f"{len(counts)} cluster says nothing about the spread between clusters; give at least 2")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be in (0, 1), such as 0.95.")
    generator = np.random.default_rng(seed)
    num_clusters = len(counts)
    flat = counts.reshape(num_clusters, -1).astype(np.float64)
    # How often each cluster is drawn, in every resample: one matrix product in place of many sums.
    drawn = generator.multinomial(num_clusters, np.full(num_clusters, 1 / num_clusters), size=num_resamples)
    values = [statistic(total.reshape(counts.shape[1:])) for total in drawn @ flat]
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
