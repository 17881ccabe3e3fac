"""The handwritten digits themselves: scikit-learn's copy of the UCI scans, up-sampled, and split by scan."""

import numpy as np
from PIL import Image

from heygen_hf.data.moving_digits.vocabulary import DIGITS
from heygen_hf.processing import shuffled

_INK_LEVELS = 16  # the scans count 0 to 16 inked pixels of 4x4


def load_scans(digit_size: int) -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 scans, smoothly up-sampled.

    Args:
        digit_size: height and width in pixels; the originals have 8.

    Returns:
        Ink as float32 `(scans, digit_size, digit_size)` in [0, 1], and the digit each one shows, `(scans,)`.
    """
    from sklearn.datasets import load_digits

    bundle = load_digits()
    ink = bundle.images.astype(np.float32) / _INK_LEVELS
    size = (digit_size, digit_size)
    scaled = np.stack([np.asarray(Image.fromarray(scan).resize(size, Image.Resampling.BICUBIC)) for scan in ink])
    return np.clip(scaled, 0, 1), bundle.target


def split_scans(digit_of_scan: np.ndarray, *, seed: int = 0) -> dict[str, dict[str, list[int]]]:
    """Which scans each split may use: of every digit 80 % train, 10 % validation, 10 % test, none in two of
    them.

    Args:
        digit_of_scan: `(scans,)`.

    Returns:
        Split to digit to numbers of scans, shuffled.
    """
    splits: dict[str, dict[str, list[int]]] = {"train": {}, "validation": {}, "test": {}}
    for digit in DIGITS:
        scans = np.flatnonzero(digit_of_scan == int(digit)).tolist()
        order = [scans[place] for place in shuffled(len(scans), seed, 3, int(digit))]
        held_out = len(order) // 10
        splits["validation"][digit] = order[:held_out]
        splits["test"][digit] = order[held_out : 2 * held_out]
        splits["train"][digit] = order[2 * held_out :]
    return splits
