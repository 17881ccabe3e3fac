"""How many generated videos lie nearer to a training clip than real clips do that are none of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.intervals import wilson_interval


@dataclass(frozen=True, kw_only=True)
class NearerShare:
    """The comparison.

    Attributes:
        share: of generated videos that are nearer to their nearest training clip than `threshold`.
        nearer, count: so many of so many.
        interval: of the share, the uncertainty of the threshold included.
        expected: the share of a model that comes as near as held-out clips do: the quantile.
        threshold: that quantile of the held-out clips' distances.
        threshold_interval: of the threshold; infinite where there are too few held-out clips to bound it.
        held_out_count: held-out clips.
        nearer_than_all: generated videos that are nearer than every held-out clip.
        median_ratio: the generated videos' median distance over the held-out clips'.
    """

    share: float
    nearer: int
    count: int
    interval: tuple[float, float]
    expected: float
    threshold: float
    threshold_interval: tuple[float, float]
    held_out_count: int
    nearer_than_all: int
    median_ratio: float


def nearer_share(
    generated: Sequence[float] | np.ndarray,
    held_out: Sequence[float] | np.ndarray,
    *,
    quantile: float = 0.05,
    confidence: float = 0.95,
) -> NearerShare:
    """Compare generated videos' distances to their nearest training clip with those of held-out real clips.

    Copies are what lies below nearly all held-out clips. The interval is conservative: Wilson's at both ends of the
    threshold's own interval (by order statistics), each with half of the allowed error.

    Args:
        generated, held_out: one distance a clip.
        quantile: of the held-out distances.

    Raises:
        ValueError: none of one kind, or a quantile outside (0, 1).

    Example:
        >>> nearer_share([0.0, 1.2, 1.4], [1.0, 1.1, 1.3, 1.5], quantile=0.25).nearer
        1
    """
    made, real = np.sort(np.asarray(generated, np.float64)), np.sort(np.asarray(held_out, np.float64))
    if not len(made) or not len(real):
        raise ValueError(f"{len(made)} generated and {len(real)} held-out distances; expected some of both")
    if not 0 < quantile < 1:
        raise ValueError(f"quantile={quantile} must be in (0, 1), such as 0.05")
    # an order statistic, not one between two: below it lie so many held-out clips and no more
    threshold = float(np.quantile(real, quantile, method="higher"))
    each = 1 - (1 - confidence) / 2
    low, high = _quantile_interval(real, quantile, each)
    nearer = int((made < threshold).sum())
    interval = (
        wilson_interval(int((made < low).sum()), len(made), each)[0],
        wilson_interval(int((made < high).sum()), len(made), each)[1],
    )
    median = float(np.median(real))
    return NearerShare(
        share=nearer / len(made),
        nearer=nearer,
        count=len(made),
        interval=interval,
        expected=float((real < threshold).mean()),
        threshold=threshold,
        threshold_interval=(low, high),
        held_out_count=len(real),
        nearer_than_all=int((made < real[0]).sum()),
        median_ratio=float(np.median(made)) / median if median else float("nan"),
    )


def _quantile_interval(ordered: np.ndarray, quantile: float, confidence: float) -> tuple[float, float]:
    """Of a quantile, without an assumption on the distribution: how many lie below it is binomial."""
    tail = (1 - confidence) / 2
    count = len(ordered)
    below = _binomial_quantile(tail, count, quantile)  # fewer are seen with a probability of at most the tail
    above = _binomial_quantile(1 - tail, count, quantile) + 1
    low = -np.inf if below < 1 else float(ordered[below - 1])
    high = np.inf if above > count else float(ordered[above - 1])
    return low, high


def _binomial_quantile(probability: float, count: int, share: float) -> int:
    """The smallest number of successes that is not exceeded with at least this probability."""
    together = 0.0
    for successes in range(count + 1):
        ways = math.lgamma(count + 1) - math.lgamma(successes + 1) - math.lgamma(count - successes + 1)
        together += math.exp(ways + successes * math.log(share) + (count - successes) * math.log1p(-share))
        if together >= probability:
            return successes
    return count
