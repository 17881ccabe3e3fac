"""How far a measured share may be from the true one."""

import math
from statistics import NormalDist


def wilson_interval(successes: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion: within [0, 1], and honest near both ends.

    Args:
        successes: how often it happened, in [0, count].
        count: how often it was tried. With 0 nothing is known, and the interval is (0, 1).
        confidence: share of such intervals that hold the true proportion, in (0, 1).

    Raises:
        ValueError: successes or confidence outside their range.

    Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Example:
    ```python
    >>> low, high = wilson_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    ```
    """
    if count < 0 or not 0 <= successes <= count:
        raise ValueError(f"successes={successes} must be in [0, count={count}].")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must be in (0, 1), such as 0.95.")
    if count == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / count
    denominator = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / denominator
    half_width = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / denominator
    # At the ends one bound is exactly 0 or 1; rounding must not move it.
    low = 0.0 if successes == 0 else max(0.0, centre - half_width)
    high = 1.0 if successes == count else min(1.0, centre + half_width)
    return low, high
