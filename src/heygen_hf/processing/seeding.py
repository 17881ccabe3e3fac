"""Random choices as pure functions of integers: no generator, no global state, the same on every machine."""

import numpy as np

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(value: int) -> int:
    """The finaliser of SplitMix64 (Steele et al. 2014): every input bit moves every output bit."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def fold_seed(*parts: int) -> int:
    """One 64-bit seed from several integers, order included: `fold_seed(seed, epoch, index)`.

    >>> fold_seed(0, 1) == fold_seed(1, 0)
    False
    """
    state = 0
    for part in parts:
        state = _mix((state + _GOLDEN + part) & _MASK)
    return state


def draw_below(bound: int, *parts: int) -> int:
    """An integer in `[0, bound)` that depends on `parts` alone."""
    return fold_seed(*parts) * bound >> 64


def shuffled_indices(num_items: int, *parts: int) -> np.ndarray:
    """`0 … num_items - 1`, int64, in an order that depends on `parts` alone: by `fold_seed(*parts, item)`."""
    # fold_seed's last round over all items at once; uint64 wraps around as the mask does
    mixed = np.arange(num_items, dtype=np.uint64) + np.uint64((fold_seed(*parts) + _GOLDEN) & _MASK)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return np.argsort(mixed, kind="stable")


def shuffled(num_items: int, *parts: int) -> list[int]:
    """`shuffled_indices` as a list."""
    return shuffled_indices(num_items, *parts).tolist()
