"""Attribute accuracy: of the attributes that a caption asks for, how many a judge finds in the video."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from heygen_hf.evaluation.intervals import wilson_interval


def attribute_accuracy(
    predictions: Mapping[str, Sequence[Hashable]],
    references: Mapping[str, Sequence[Hashable]],
    groups: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Share of videos whose judged attribute is the one asked for, a column at a time and for all columns at
    once.

    Args:
        predictions: for each label column, what the judge saw in each video.
        references: for each label column, what was asked for. Values are compared as text, so 7 equals "7".
        groups: the group of each video (say "seen" and "unseen"): each gets figures of its own beside the
            total.
        confidence: of the Wilson intervals.

    Returns:
        `{"columns": {column: figure}, "all_columns_correct": figure, "groups": {group: the same two keys}}`,
        where a figure is `{"accuracy", "correct", "count", "interval"}`; a column's also names its
        `"worst_value"`, the
        reference value found least often: `{"value", "accuracy", "correct", "count", "interval"}`. The
        accuracy of no videos is None.

    Raises:
        ValueError: columns or lengths differ.
    """
    columns = _check_columns(predictions, references, groups)
    count = len(references[columns[0]])
    hits = {
        column: [str(seen) == str(asked) for seen, asked in zip(predictions[column], references[column], strict=True)]
        for column in columns
    }

    def report(indices: list[int]) -> dict[str, Any]:
        figures = {}
        for column in columns:
            figures[column] = _figure(sum(hits[column][index] for index in indices), len(indices), confidence)
            figures[column]["worst_value"] = _worst_value(hits[column], references[column], indices, confidence)
        together = sum(all(hits[column][index] for column in columns) for index in indices)
        return {"columns": figures, "all_columns_correct": _figure(together, len(indices), confidence)}

    result = report(list(range(count)))
    result["groups"] = {
        group: report([index for index in range(count) if groups[index] == group])
        for group in sorted(set(groups or ()))
    }
    return result


def _figure(correct: int, count: int, confidence: float) -> dict[str, Any]:
    return {
        "accuracy": correct / count if count else None,
        "correct": correct,
        "count": count,
        "interval": list(wilson_interval(correct, count, confidence)),
    }


def _worst_value(
    hits: list[bool], references: Sequence[Hashable], indices: list[int], confidence: float
) -> dict[str, Any] | None:
    counts = Counter(str(references[index]) for index in indices)
    correct = Counter(str(references[index]) for index in indices if hits[index])
    if not counts:
        return None
    # Ties: the value with more videos (firmer evidence), then by name, so that order does not matter.
    value = min(counts, key=lambda name: (correct[name] / counts[name], -counts[name], name))
    return {"value": value, **_figure(correct[value], counts[value], confidence)}


def _check_columns(
    predictions: Mapping[str, Sequence[Hashable]],
    references: Mapping[str, Sequence[Hashable]],
    groups: Sequence[str] | None,
) -> list[str]:
    if not references or set(predictions) != set(references):
        raise ValueError(
            f"predictions have the columns {sorted(predictions)} and references {sorted(references)}: "
            "give the same label columns, one at least, in both."
        )
    lengths = {f"references[{column!r}]": len(values) for column, values in references.items()}
    lengths |= {f"predictions[{column!r}]": len(values) for column, values in predictions.items()}
    if groups is not None:
        lengths["groups"] = len(groups)
    if len(set(lengths.values())) != 1:
        raise ValueError(f"lengths differ: {lengths}; every list needs one entry a video.")
    return list(references)
