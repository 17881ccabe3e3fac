"""Accuracy, F1 and bootstrap intervals against hand-worked cases and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_recall_fscore_support

from heygen_hf.evaluation.text_metrics import (
    accuracy,
    cluster_bootstrap_interval,
    confusion_matrix,
    label_scores,
    scores_of_confusion,
)


def test_a_case_worked_by_hand() -> None:
    scores = label_scores([0, 1, 1, 1], [0, 0, 1, 1], class_names=["cat", "dog", "never"])
    assert scores.accuracy == scores.micro_f1 == 0.75
    assert (scores.count, scores.correct) == (4, 3)
    # cat: precision 1, recall 1/2, F1 2/3; dog: precision 2/3, recall 1, F1 4/5; a class that never occurs is out
    assert scores.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert scores.per_label["cat"].recall == 0.5
    assert scores.per_label["dog"].precision == pytest.approx(2 / 3)
    assert set(scores.per_label) == {"cat", "dog"}


def test_equal_to_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    references, predictions = generator.integers(0, 5, 200), generator.integers(0, 5, 200)
    scores = label_scores(predictions, references)
    assert scores.micro_f1 == pytest.approx(f1_score(references, predictions, average="micro"))
    assert scores.macro_f1 == pytest.approx(f1_score(references, predictions, average="macro"))
    precision, recall, f1, support = precision_recall_fscore_support(references, predictions)
    for number, score in enumerate(scores.per_label.values()):
        assert (score.precision, score.recall, score.f1) == pytest.approx(
            (precision[number], recall[number], f1[number])
        )
        assert score.count == support[number]


def test_ignored_labels_do_not_count() -> None:
    scores = label_scores([[0, 1, 7], [1, 1, 0]], [[0, 1, -100], [-100, 0, -100]])
    assert (scores.count, scores.correct) == (3, 2)


def test_confusions_add_up() -> None:
    first, second = np.array([0, 1, 1]), np.array([0, 0, 1])
    total = confusion_matrix(first, second, 2) + confusion_matrix(second, second, 2)
    assert total.tolist() == [[3, 1], [0, 2]]
    assert scores_of_confusion(total).accuracy == 5 / 6


def test_plain_accuracy() -> None:
    assert accuracy(["a", "b"], ["a", "c"]) == 0.5


@pytest.mark.parametrize(
    ("predictions", "references", "names", "message"),
    [
        ([], [], None, "empty"),
        ([1], [1, 2], None, "expected the same"),
        ([0, 0], [-100, -100], None, "all 2 references are -100"),
        ([0, 2], [0, 1], ["a", "b"], r"label 2 is outside \[0, 2\)"),
        ([0, 1], [0, -1], ["a", "b"], "label -1 is outside"),
    ],
)
def test_bad_input(predictions: list, references: list, names: list | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        label_scores(predictions, references, class_names=names)


def test_clusters_that_differ_widen_the_interval() -> None:
    """60 % right in both; once every file alike, once some files all right and some all wrong."""
    alike = np.tile([6, 10], (20, 1))
    different = np.array([[10, 10]] * 12 + [[0, 10]] * 8)

    def share(total: np.ndarray) -> float:
        return total[0] / total[1]

    assert cluster_bootstrap_interval(alike, share) == (0.6, 0.6)
    low, high = cluster_bootstrap_interval(different, share)
    assert low < 0.45
    assert high > 0.75
    assert cluster_bootstrap_interval(different, share) == (low, high)
    with pytest.raises(ValueError, match="1 cluster"):
        cluster_bootstrap_interval(alike[:1], share)
