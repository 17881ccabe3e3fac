"""Written texts against what should have been written: exact matches, and the words that name a label."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from heygen_hf.evaluation.intervals import wilson_interval

_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")


def split_words(text: str) -> tuple[str, ...]:
    """Words and punctuation in lower case, as texts are compared: tokenizers do not keep case and spaces.

    Example: `split_words("A red 7, moving!")` is `("a", "red", "7", ",", "moving", "!")`.
    """
    return tuple(_WORD_OR_SIGN.findall(unicodedata.normalize("NFKC", text).casefold()))


def named_values(text: str, values: Iterable[str]) -> set[str]:
    """Which of a label column's values a text names, as whole words; the longest first, so that "light blue" is not
    also "blue"."""
    words, found = split_words(text), set()
    by_words = {split_words(value): value for value in values}
    lengths = sorted({len(each) for each in by_words if each}, reverse=True)
    place = 0
    while place < len(words):
        for length in lengths:
            value = by_words.get(words[place : place + length])
            if value is not None:
                found.add(value)
                place += length
                break
        else:
            place += 1
    return found


def written_text_accuracy(
    predictions: Sequence[str],
    references: Sequence[str],
    *,
    columns: Mapping[str, Iterable[str]] | None = None,
    groups: Sequence[str | None] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Share of texts that say just what their reference says, and of those that name the right value of each column.

    Args:
        predictions, references: one of each a sample. Case and spaces do not count, see `split_words`.
        columns: label column → its values. A text is right in a column when it names the values that its reference
            names, and no other; references that name none are not counted.
        groups: the group of each sample (say "seen" and "unseen"), which gets figures of its own beside the total;
            None for a sample in no group.
        confidence: of the Wilson intervals.

    Returns:
        `{"exact_match": figure, "columns": {column: figure}, "groups": {group: the same two keys}}`, where a figure is
        `{"accuracy", "correct", "count", "interval"}`; the accuracy of no texts is None.

    Raises:
        ValueError: lengths differ.
    """
    lengths = {"predictions": len(predictions), "references": len(references)}
    lengths |= {} if groups is None else {"groups": len(groups)}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"lengths differ: {lengths}; every list needs one entry a sample.")
    exact = [
        split_words(written) == split_words(wanted) for written, wanted in zip(predictions, references, strict=True)
    ]
    hits = {column: _column_hits(predictions, references, list(values)) for column, values in (columns or {}).items()}

    def report(members: list[int]) -> dict[str, Any]:
        return {
            "exact_match": _figure([exact[member] for member in members], confidence),
            "columns": {
                column: _figure([each[member] for member in members], confidence) for column, each in hits.items()
            },
        }

    result = report(list(range(len(exact))))
    result["groups"] = {
        group: report([member for member, its_group in enumerate(groups or ()) if its_group == group])
        for group in sorted({group for group in groups or () if group is not None})
    }
    return result


def _column_hits(predictions: Sequence[str], references: Sequence[str], values: list[str]) -> list[bool | None]:
    """Whether each text names what its reference names; None where that names nothing."""
    hits: list[bool | None] = []
    for written, wanted in zip(predictions, references, strict=True):
        named = named_values(wanted, values)
        hits.append(named_values(written, values) == named if named else None)
    return hits


def _figure(hits: Sequence[bool | None], confidence: float) -> dict[str, Any]:
    counted = [hit for hit in hits if hit is not None]
    correct, count = sum(counted), len(counted)
    return {
        "accuracy": correct / count if count else None,
        "correct": correct,
        "count": count,
        "interval": list(wilson_interval(correct, count, confidence)),
    }
