"""How far a figure falls, clip by clip: each clip is compared with itself, so what clips have in common drops out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.measuring import mean_bootstrap_interval


@dataclass(frozen=True, kw_only=True)
class Fall:
    """Attributes:
    before, after: the mean over clips.
    fall: before - after; negative where the figure rises.
    interval: of the fall, bootstrapped over pairs; None of fewer than two.
    count: pairs.
    """

    before: float
    after: float
    fall: float
    interval: tuple[float, float] | None
    count: int

    @property
    def is_more_than_chance(self) -> bool:
        """Whether the interval lies beside 0."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def paired_fall(
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Fall:
    """Compare two figures of each clip.

    Raises:
        ValueError: none, or not two of each.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"{first.shape} figures before and {second.shape} after; expected two of each clip")
    return Fall(
        before=float(first.mean()),
        after=float(second.mean()),
        fall=float((first - second).mean()),
        interval=mean_bootstrap_interval(first - second, confidence=confidence, seed=seed),
        count=len(first),
    )
