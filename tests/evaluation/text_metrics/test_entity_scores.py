"""Entities and their F1 against hand-worked cases (the same as seqeval's default mode)."""

import pytest

from heygen_hf.evaluation.text_metrics import are_entity_labels, entity_scores, find_entities


@pytest.mark.parametrize(
    ("labels", "entities"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-a", "I-a", "O", "B-b"], [("a", 0, 2), ("b", 3, 4)]),
        (["B-a", "B-a"], [("a", 0, 1), ("a", 1, 2)]),
        (["I-a", "I-a", "O", "I-a"], [("a", 0, 2), ("a", 3, 4)]),  # a stray I- begins one
        (["B-a", "I-b"], [("a", 0, 1), ("b", 1, 2)]),
        (["B-a", "I-a", "E-a", "I-a"], [("a", 0, 3), ("a", 3, 4)]),
        (["S-a", "S-a", "E-b"], [("a", 0, 1), ("a", 1, 2), ("b", 2, 3)]),
        (["B-a-b", "I-a-b"], [("a-b", 0, 2)]),
    ],
)
def test_entities(labels: list[str], entities: list[tuple]) -> None:
    assert [tuple(entity) for entity in find_entities(labels)] == entities


def test_scores_worked_by_hand() -> None:
    references = [["B-person", "I-person", "O", "B-place"], ["O", "B-place"]]
    predictions = [["B-person", "O", "O", "B-place"], ["B-place", "B-place"]]
    scores = entity_scores(predictions, references)
    # Found: person 0-1 (too short), place 3-4 (right); place 0-1 (wrong), place 1-2 (right). Wanted: 3.
    assert (scores.num_references, scores.num_predictions, scores.num_correct) == (3, 4, 2)
    assert (scores.precision, scores.recall) == (2 / 4, 2 / 3)
    assert scores.f1 == pytest.approx(2 * 2 / 7)
    assert scores.per_kind["place"].f1 == pytest.approx(4 / 5)
    assert scores.per_kind["person"].f1 == 0
    assert scores.macro_f1 == pytest.approx(2 / 5)


def test_half_an_entity_is_none_where_words_would_be_right() -> None:
    scores = entity_scores([["B-a", "I-a", "O"]], [["B-a", "I-a", "I-a"]])
    assert scores.f1 == 0


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="2 predictions for 1"):
        entity_scores([["O"], ["O"]], [["O"]])
    with pytest.raises(ValueError, match="text 0 has 1 predicted labels and 2"):
        entity_scores([["O"]], [["O", "O"]])
    with pytest.raises(ValueError, match="label 'noun' is neither"):
        find_entities(["noun"])


def test_schemes_are_told_apart() -> None:
    assert are_entity_labels(["O", "B-a", "I-a"])
    assert not are_entity_labels(["O", "S-expression", "E-mail"])
    assert not are_entity_labels(["noun", "verb", "B-side"])
    assert not are_entity_labels([])
