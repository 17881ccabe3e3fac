"""How far a figure falls, clip by clip: each clip is compared with itself, so what clips have in common drops out."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.measuring import mean_bootstrap_interval

LEAST_CERTAIN = 0.05
_MOST_EXACT = 12  # pairs that differ, of which all signs are tried
_NUM_SIGNS = 9999


@dataclass(frozen=True, kw_only=True)
class Fall:
    """Attributes:
    before, after: the mean over clips.
    fall: before - after; negative where the figure rises.
    interval: of the fall, bootstrapped over pairs (whole prompts, where several clips have one); None of fewer than
        two.
    p_value: two-sided, of such a fall where neither input is the better one.
    test: what gave it: "sign test" or "sign flips".
    count: pairs.
    num_units: what was resampled: prompts, or pairs.
    """

    before: float
    after: float
    fall: float
    interval: tuple[float, float] | None
    p_value: float
    test: str
    count: int
    num_units: int

    @property
    def is_more_than_chance(self) -> bool:
        """Of this fall alone; of several, `holm` over their p-values says it."""
        return self.p_value < LEAST_CERTAIN


def paired_fall(
    before: Sequence[float] | np.ndarray,
    after: Sequence[float] | np.ndarray,
    *,
    prompts: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Fall:
    """Compare two figures of each clip.

    Of figures that are 0 or 1, p is the exact sign test's over the clips that changed (McNemar's); of others that of
    flipping signs: all ways where few pairs differ, else 9,999 drawn ones.

    Args:
        prompts: clips of the same one are no independent pairs: they are resampled, and change sign, together.

    Raises:
        ValueError: none, or not two of each.
    """
    first, second = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"{first.shape} figures before and {second.shape} after; expected two of each clip")
    if prompts is not None and len(prompts) != len(first):
        raise ValueError(f"{len(prompts)} prompts of {len(first)} pairs; expected one of each")
    falls = first - second
    units = np.arange(len(falls))
    if prompts is not None:
        units = np.unique([str(each) for each in prompts], return_inverse=True)[1]
    num_units = int(units.max()) + 1
    sums, sizes = np.bincount(units, weights=falls), np.bincount(units).astype(np.float64)
    is_alone = num_units == len(falls)
    if is_alone and np.isin((first, second), (0, 1)).all():
        p_value, test = _sign_test(int((falls > 0).sum()), int((falls < 0).sum())), "sign test"
    else:
        p_value, test = _sign_flips(sums, seed), "sign flips"
    return Fall(
        before=float(first.mean()),
        after=float(second.mean()),
        fall=float(falls.mean()),
        interval=(
            mean_bootstrap_interval(falls, confidence=confidence, seed=seed)
            if is_alone
            else _interval_of_units(sums, sizes, confidence, seed)
        ),
        p_value=p_value,
        test=test,
        count=len(falls),
        num_units=num_units,
    )


def _sign_test(falls: int, rises: int) -> float:
    changed = falls + rises
    tail = sum(math.comb(changed, number) for number in range(min(falls, rises) + 1))
    return min(1.0, 2 * tail / 2**changed)


def _sign_flips(sums: np.ndarray, seed: int) -> float:
    """The share of sign patterns with a mean as far from 0."""
    changed = sums[sums != 0]
    if not len(changed):
        return 1.0
    found = abs(changed.sum()) * (1 - 1e-12)  # the same sum in another order counts as the same
    if len(changed) <= _MOST_EXACT:
        bits = np.arange(2 ** len(changed))[:, None] >> np.arange(len(changed))[None] & 1
        return float((np.abs((bits * 2.0 - 1) @ changed) >= found).mean())
    signs = np.random.default_rng(seed).integers(0, 2, size=(_NUM_SIGNS, len(changed)), dtype=np.int8) * 2.0 - 1
    return float(((np.abs(signs @ changed) >= found).sum() + 1) / (_NUM_SIGNS + 1))


def _interval_of_units(sums: np.ndarray, sizes: np.ndarray, confidence: float, seed: int) -> tuple[float, float] | None:
    if len(sums) < 2:
        return None
    drawn = np.random.default_rng(seed).integers(0, len(sums), size=(1000, len(sums)))
    means = sums[drawn].sum(1) / sizes[drawn].sum(1)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
