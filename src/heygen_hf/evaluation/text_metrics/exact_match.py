"""The share of generated texts that are exactly right."""

import re
import string
from collections.abc import Sequence

from heygen_hf.evaluation.text_metrics.references import several_references

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def exact_match(
    predictions: Sequence[str],
    references: Sequence[str] | Sequence[Sequence[str]],
    *,
    ignore_case: bool = False,
    ignore_punctuation: bool = False,
) -> float:
    """Share of predictions, in [0, 1], equal to one of their references; runs of white space count as one space.

    Args:
        predictions: the generated texts.
        references: one text, or several, for each of them.
        ignore_case: whether letters' case is ignored.
        ignore_punctuation: whether ASCII punctuation is taken out first.

    Raises:
        ValueError: not as many references as predictions, or none.
    """
    lists = several_references(predictions, references)

    def plain(text: str) -> str:
        text = text.casefold() if ignore_case else text
        text = text.translate(_PUNCTUATION) if ignore_punctuation else text
        return re.sub(r"\s+", " ", text).strip()

    right = [
        plain(prediction) in {plain(text) for text in each} for prediction, each in zip(predictions, lists, strict=True)
    ]
    return sum(right) / len(right)
