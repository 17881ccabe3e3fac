"""What held-out text costs without a neural network: the baselines of a language model, in bits per byte."""

import lzma
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from heygen_hf.evaluation.language_modeling.predicted_bits import TextBits

_END = 0  # stands before every document, and ends it

Keys = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def byte_ngram_bits(training_texts: Sequence[str], texts: Sequence[str], *, order: int = 6) -> TextBits:
    """An n-gram of bytes with modified Kneser-Ney smoothing (Chen and Goodman 1998), trained on one and measured on
    the other.

    Args:
        training_texts: documents.
        texts: held-out documents; each is predicted from nothing but its own beginning, and so is its end.
        order: bytes of an n-gram, the predicted one included; 1 to 7.

    Raises:
        ValueError: an order that cannot be, or no text.
    """
    if not 1 <= order <= 7:
        raise ValueError(f"order={order} must be from 1 to 7 bytes.")
    if not any(training_texts) or not any(texts):
        raise ValueError("there is no text to count n-grams in, or to predict.")
    grams, _ = _grams(training_texts, order)
    wanted, lengths = _grams(texts, order)
    # Counts of the longest n-grams; of shorter ones, how many different bytes they were seen after.
    keys, counts = np.unique(grams, return_counts=True)
    levels = [(keys, counts)]
    for length in range(order - 1, 0, -1):
        keys, counts = np.unique(keys & _low_bytes(length), return_counts=True)
        levels.append((keys, counts))
    probability = np.full(len(wanted), 1 / 256)
    for length, (keys, counts) in enumerate(reversed(levels), start=1):
        probability = _interpolate(keys, counts.astype(np.float64), wanted & _low_bytes(length), probability)
    bits = np.add.reduceat(-np.log2(probability), np.concatenate(([0], np.cumsum(lengths)[:-1])))
    return TextBits(
        bits=tuple(bits.tolist()), num_bytes=tuple(length - 1 for length in lengths), num_tokens=len(wanted)
    )


def _low_bytes(count: int) -> int:
    return (1 << (8 * count)) - 1


def _grams(texts: Sequence[str], order: int) -> tuple[Keys, list[int]]:
    """The n-gram that ends at each byte and at each document's end, as one number (the last byte lowest)."""
    found, lengths = [], []
    for text in texts:
        data = np.frombuffer(text.encode("utf-8", "replace") + bytes([_END]), dtype=np.uint8).astype(np.int64)
        padded = np.concatenate((np.full(order - 1, _END, dtype=np.int64), data))
        keys = np.zeros(len(data), dtype=np.int64)
        for place in range(order):
            keys = (keys << 8) | padded[place : place + len(data)]
        found.append(keys)
        lengths.append(len(data))
    return np.concatenate(found), lengths


def _interpolate(keys: Keys, counts: Numbers, wanted: Keys, shorter: Numbers) -> Numbers:
    """One order's probabilities, what discounting leaves over shared out by the next shorter order's.

    Args:
        keys, counts: n-grams seen, sorted, and how often.
        wanted: n-grams to predict the last byte of.
        shorter: probability of that byte by the shorter order.
    """
    discounts = np.array([0.0, *_discounts(counts)])
    discount = discounts[np.minimum(counts, 3).astype(int)]
    contexts, context_of = np.unique(keys >> 8, return_inverse=True)
    total = np.bincount(context_of, counts)
    left_over = np.bincount(context_of, discount)
    place = _find(contexts, wanted >> 8)
    number = _find(keys, wanted)
    known = place >= 0
    seen = np.where(number >= 0, counts[number] - discount[number], 0.0)
    return np.where(known, (seen + left_over[place] * shorter) / total[place], shorter)


def _discounts(counts: Numbers) -> tuple[float, float, float]:
    """What to take from n-grams seen once, twice, and more often (Chen and Goodman's estimates).

    They are for long tails; where few n-grams are rare (single bytes of much text), three quarters or less do. All are
    above 0, so that something is left over for what was never seen.
    """
    once, twice, thrice, often = (float((counts == times).sum()) for times in (1, 2, 3, 4))
    if not min(once, twice, thrice, often):
        return 0.5, 0.75, 0.75
    share = once / (once + 2 * twice)
    estimates = (1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * often / thrice)
    first, second, third = (
        min(max(estimate, 0.1), most) for estimate, most in zip(estimates, (0.95, 1.9, 2.9), strict=True)
    )
    return first, second, third


def _find(values: Keys, wanted: Keys) -> Keys:
    """Where each wanted value stands among the sorted ones, -1 where it does not."""
    place = np.searchsorted(values, wanted).clip(max=len(values) - 1)
    return np.where(values[place] == wanted, place, -1)


def xz_bits_per_byte(training_texts: Sequence[str], texts: Sequence[str]) -> float:
    """What `xz -9e` adds for the held-out documents after it has seen the training text.

    All held-out documents are compressed at once, so later ones gain from earlier ones, which a language model that
    reads each by itself does not; that favours xz.
    """
    before = _joined(training_texts)
    after = _joined(texts)
    added = _xz_size(before + after) - _xz_size(before)
    return 8 * added / sum(len(text.encode("utf-8", "replace")) for text in texts)


def _joined(texts: Sequence[str]) -> bytes:
    return b"".join(text.encode("utf-8", "replace") + bytes([_END]) for text in texts)


def _xz_size(data: bytes) -> int:
    return len(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
