"""The figures of a token classifier: F1 of labels, or of entities, with intervals over files."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from heygen_hf.evaluation.text_metrics import (
    are_entity_labels,
    cluster_bootstrap_interval,
    confusion_matrix,
    entity_scores,
    scores_of_confusion,
)
from heygen_hf.hub import MetricResult
from heygen_hf.tasks.text.word_baseline import MostFrequentLabel

IGNORED = -100

Collate = Callable[[list[Any]], dict[str, torch.Tensor]]


def measure_token_classifier(
    model: PreTrainedModel,
    rows: Sequence[dict[str, Any]],
    *,
    collate: Collate,
    class_names: Sequence[str],
    batch_size: int = 32,
    training_rows: Sequence[dict[str, Any]] | None = None,
    unit: str = "rows",
) -> list[MetricResult]:
    """Micro and macro F1 of the labels (for a BIO scheme also of entities), and each label's own.

    Args:
        rows: `words`, `labels` (class numbers) and `group`; intervals are over groups, drawn anew.
        collate: cuts nothing off.
        training_rows: for the baseline of each word's most frequent label; None for none.
        unit: what a group is, for the notes.
    """
    predicted = predict_labels(model, rows, collate=collate, batch_size=batch_size)
    figures = _figures(predicted, rows, class_names, unit=unit, group=None)
    if training_rows is not None:
        baseline = MostFrequentLabel(
            [word for row in training_rows for word in row["words"]],
            [label for row in training_rows for label in row["labels"]],
        )
        guessed = [[baseline(word) for word in row["words"]] for row in rows]
        named = "baseline: the word's most frequent label"
        figures += [
            figure for figure in _figures(guessed, rows, class_names, unit=unit, group=named) if "F1 of" in figure.name
        ]
    return figures


@torch.no_grad()
def predict_labels(
    model: PreTrainedModel, rows: Sequence[dict[str, Any]], *, collate: Collate, batch_size: int
) -> list[list[int]]:
    """A class number for each word of each row, that of its first token; -100 where it has no label."""
    by_length = sorted(range(len(rows)), key=lambda number: len(rows[number]["words"]))
    predicted: list[list[int]] = [[] for _ in rows]
    for start in range(0, len(rows), batch_size):
        numbers = by_length[start : start + batch_size]
        # Every word counts here, so that there is a prediction for each.
        batch = collate([{**rows[number], "labels": [0] * len(rows[number]["words"])} for number in numbers])
        counts = batch.pop("labels") != IGNORED
        best = model(**{name: values.to(model.device) for name, values in batch.items()}).logits.argmax(-1).cpu()
        for number, classes, kept in zip(numbers, best, counts, strict=True):
            found = classes[kept].tolist()
            wanted = rows[number]["labels"]
            if len(found) != len(wanted):  # a word of which the tokenizer makes nothing
                raise ValueError(
                    f"the tokenizer makes no token of some word in {rows[number]['words'][:5]} …; leave it out"
                )
            predicted[number] = [IGNORED if label == IGNORED else one for one, label in zip(found, wanted, strict=True)]
    return predicted


def _figures(
    predicted: Sequence[Sequence[int]],
    rows: Sequence[dict[str, Any]],
    class_names: Sequence[str],
    *,
    unit: str,
    group: str | None,
) -> list[MetricResult]:
    num_classes = len(class_names)
    groups = {name: number for number, name in enumerate(dict.fromkeys(row["group"] for row in rows))}
    per_group = np.zeros((len(groups), num_classes, num_classes), dtype=np.int64)
    for classes, row in zip(predicted, rows, strict=True):
        wanted = np.array(row["labels"])
        kept = wanted != IGNORED
        per_group[groups[row["group"]]] += confusion_matrix(np.array(classes)[kept], wanted[kept], num_classes)
    scores = scores_of_confusion(per_group.sum(0), class_names=class_names)
    note = f"interval over {len(groups)} {unit}, drawn anew"

    def interval(statistic: Callable[[np.ndarray], float]) -> tuple[float, float] | None:
        return cluster_bootstrap_interval(per_group, statistic) if len(groups) > 1 else None

    def figure(name: str, value: float, count: int, between: tuple[float, float] | None) -> MetricResult:
        said = None if between is None else note
        return MetricResult(
            name=name,
            value=value,
            count=count,
            interval=between,
            group=group,
            note=said,
            metric_type="f1",
            is_baseline=group is not None,
        )

    figures = [
        figure("micro F1 of labels", scores.micro_f1, scores.count, interval(lambda total: _micro(total))),
        figure("macro F1 of labels", scores.macro_f1, scores.count, interval(lambda total: _macro(total))),
    ]
    if are_entity_labels(class_names):
        named = [
            ([class_names[c] for c in classes if c != IGNORED], [class_names[c] for c in row["labels"] if c != IGNORED])
            for classes, row in zip(predicted, rows, strict=True)
        ]
        entities = entity_scores([pair[0] for pair in named], [pair[1] for pair in named])
        counts = np.zeros((len(groups), 3))
        for row, (found, right) in zip(rows, named, strict=True):
            one = entity_scores([found], [right])
            counts[groups[row["group"]]] += (one.num_correct, one.num_predictions, one.num_references)
        between = cluster_bootstrap_interval(counts, _f1_of_counts) if len(groups) > 1 else None
        figures.insert(0, figure("F1 of entities", entities.f1, entities.num_references, between))
        figures += [figure(f"F1: {kind}", score.f1, score.count, None) for kind, score in entities.per_kind.items()]
    else:
        figures += [figure(f"F1: {name}", score.f1, score.count, None) for name, score in scores.per_label.items()]
    return figures


def _micro(confusion: np.ndarray) -> float:
    return float(np.trace(confusion) / max(1, confusion.sum()))


def _macro(confusion: np.ndarray) -> float:
    right, total = np.diagonal(confusion), confusion.sum(0) + confusion.sum(1)
    occurs = total > 0
    return float((2 * right[occurs] / total[occurs]).mean())


def _f1_of_counts(counts: np.ndarray) -> float:
    correct, found, wanted = counts
    return float(2 * correct / max(1, found + wanted))
