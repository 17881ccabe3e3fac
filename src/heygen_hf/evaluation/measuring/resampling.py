"""Intervals by drawing clips again, and the two halves between which there is no difference but chance."""

import numpy as np
import torch


def draw_counts(count: int, *, num_resamples: int, seed: int) -> np.ndarray:
    """How often each clip is drawn in each resample: int64 `(num_resamples, count)`, whose rows sum to `count`."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=num_resamples)


def mean_bootstrap_interval(
    values: np.ndarray | torch.Tensor, *, num_resamples: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile interval of the mean of one figure a clip; None of fewer than two clips or without resamples.

    Efron, "Bootstrap methods: another look at the jackknife", 1979.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2 or num_resamples < 1:
        return None
    generator = np.random.default_rng(seed)
    means = [  # one row at a time: all counts at once would be resamples times clips
        generator.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers))) @ numbers / len(numbers)
        for _ in range(num_resamples)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def centred_interval(
    value: float,
    resampled: np.ndarray,
    *,
    confidence: float,
    lowest: float | None = 0.0,
    kept_share: float = 1.0,
) -> tuple[float, float] | None:
    """The spread of resampled figures, laid around the value.

    A distance between distributions grows when clips are drawn twice, so its resampled figures lie above the value; a
    plain percentile interval would miss it. What is used here is how far they lie from their own mean.

    Args:
        lowest: no figure is below; None for no bound.
        kept_share: of the clips that were resampled: of a part of them, the spread is larger than of all.
    """
    if len(resampled) < 2:
        return None
    tail = (1 - confidence) / 2
    deviations = (resampled - resampled.mean()) * np.sqrt(kept_share)
    low, high = np.quantile(deviations, [tail, 1 - tail]) + value
    return float(low if lowest is None else max(lowest, low)), float(high)


def part_and_rest(count: int, *, part: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`part` random places of `count`, at most half of them, and the others."""
    order = np.random.default_rng(seed).permutation(count)
    part = min(part, count // 2)
    return np.sort(order[:part]), np.sort(order[part:])


def halves(count: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of `count` places; of an odd number, one place is in neither."""
    order = np.random.default_rng(seed).permutation(count)
    half = count // 2
    return np.sort(order[:half]), np.sort(order[half : 2 * half])
