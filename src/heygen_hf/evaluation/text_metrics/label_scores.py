"""Accuracy and F1 of labels: one a text, or one a word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelScore:
    """How one label fared.

    Attributes:
        precision, recall, f1: in [0, 1]; 0 where nothing was predicted, or nothing was there to find.
        count: how often it is the right one.
    """

    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True)
class LabelScores:
    """What `label_scores` gives.

    Attributes:
        accuracy: share of labels that are right.
        micro_f1: F1 over all decisions together; with one label each, the accuracy.
        macro_f1: mean of the labels' own F1, over those that occur in the references or the predictions.
        per_label: by name, or by number where there are no names; those that occur.
        count: how many labels were compared.
        correct: how many of them are right.
    """

    accuracy: float
    micro_f1: float
    macro_f1: float
    per_label: dict[str, LabelScore]
    count: int
    correct: int


def accuracy(predictions: Sequence | np.ndarray, references: Sequence | np.ndarray) -> float:
    """Share of predictions that equal their references, in [0, 1].

    Raises:
        ValueError: there are none, or not as many of one as of the other.
    """
    predicted, wanted = _paired(predictions, references)
    return float((predicted == wanted).mean())


def label_scores(
    predictions: Sequence[int] | np.ndarray,
    references: Sequence[int] | np.ndarray,
    *,
    class_names: Sequence[str] | None = None,
    ignore_index: int = -100,
) -> LabelScores:
    """Accuracy, micro and macro F1, and precision, recall and F1 of every label.

    Args:
        predictions, references: class numbers, of the same shape, any number of dimensions.
        class_names: names in the order of the class numbers.
        ignore_index: a reference that does not count.

    Raises:
        ValueError: another shape, nothing that counts, or a number without a name.

    Example:
    ```python
    >>> scores = label_scores([0, 1, 1, 1], [0, 0, 1, 1], class_names=["cat", "dog"])
    >>> scores.accuracy, round(scores.macro_f1, 4), scores.per_label["dog"].recall
    (0.75, 0.7333, 1.0)
    ```
    """
    predicted, wanted = _paired(predictions, references)
    counts = wanted != ignore_index
    predicted, wanted = predicted[counts], wanted[counts]
    if not wanted.size:
        raise ValueError(f"all {counts.size} references are {ignore_index}, which does not count; nothing to compare")
    lowest, highest = int(min(predicted.min(), wanted.min())), int(max(predicted.max(), wanted.max()))
    num_classes = highest + 1 if class_names is None else len(class_names)
    if lowest < 0 or highest >= num_classes:
        raise ValueError(
            f"label {lowest if lowest < 0 else highest} is outside [0, {num_classes}); give a name for every class"
        )
    return scores_of_confusion(confusion_matrix(predicted, wanted, num_classes), class_names=class_names)


def confusion_matrix(predictions: np.ndarray, references: np.ndarray, num_classes: int) -> np.ndarray:
    """`(num_classes, num_classes)` counts, [reference, prediction]; numbers in `[0, num_classes)`."""
    flat = references.astype(np.int64) * num_classes + predictions.astype(np.int64)
    return np.bincount(flat, minlength=num_classes**2).reshape(num_classes, num_classes)


def scores_of_confusion(confusion: np.ndarray, *, class_names: Sequence[str] | None = None) -> LabelScores:
    """The scores that a confusion matrix, [reference, prediction], holds."""
    right = np.diagonal(confusion)
    wanted, predicted = confusion.sum(1), confusion.sum(0)
    names = [str(number) for number in range(len(confusion))] if class_names is None else list(class_names)
    per_label = {
        names[number]: LabelScore(
            precision=_ratio(right[number], predicted[number]),
            recall=_ratio(right[number], wanted[number]),
            f1=_ratio(2 * right[number], wanted[number] + predicted[number]),
            count=int(wanted[number]),
        )
        for number in np.flatnonzero(wanted + predicted)
    }
    share = _ratio(right.sum(), confusion.sum())
    return LabelScores(
        accuracy=share,
        micro_f1=share,
        macro_f1=float(np.mean([score.f1 for score in per_label.values()])) if per_label else 0.0,
        per_label=per_label,
        count=int(confusion.sum()),
        correct=int(right.sum()),
    )


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _paired(predictions: Sequence | np.ndarray, references: Sequence | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    predicted, wanted = np.asarray(predictions), np.asarray(references)
    if predicted.shape != wanted.shape:
        raise ValueError(
            f"predictions have shape {predicted.shape} and references {wanted.shape}; expected the same, one each"
        )
    if not wanted.size:
        raise ValueError("there is nothing to compare: predictions and references are empty; check the data")
    return predicted.ravel(), wanted.ravel()
