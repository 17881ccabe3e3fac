"""Ranks against a slow reading of the definition, and what ties, duplicates and bad input do."""

import pytest
import torch

from heygen_hf.evaluation.retrieval import equal_texts, retrieval_accuracy


def _rank(scores: list[float], right: list[bool]) -> int:
    order = sorted(range(len(scores)), key=lambda i: (-scores[i], right[i]))  # wrong ones first among equals
    return next(place for place, i in enumerate(order, start=1) if right[i])


def test_ranks_are_the_places_of_the_first_right_candidate():
    similarity = torch.randn(20, 13)
    is_right = torch.rand(20, 13) < 0.2
    is_right[torch.arange(20), torch.randint(0, 13, (20,))] = True
    accuracy = retrieval_accuracy(similarity, is_right)
    expected = [_rank(s, r) for s, r in zip(similarity.tolist(), is_right.tolist(), strict=True)]
    assert list(accuracy.ranks) == expected
    assert accuracy.recall(3) == sum(rank <= 3 for rank in expected) / 20
    assert accuracy.median_rank == sum(sorted(expected)[9:11]) / 2


def test_a_model_that_says_the_same_of_everything_finds_nothing():
    accuracy = retrieval_accuracy(torch.zeros(4, 4), torch.eye(4, dtype=torch.bool))
    assert accuracy.recall(1) == 0
    assert set(accuracy.ranks) == {4}


def test_the_interval_and_chance_are_of_the_gallery():
    accuracy = retrieval_accuracy(torch.eye(100), torch.eye(100, dtype=torch.bool))
    assert accuracy.recall(1) == 1
    low, high = accuracy.interval(1)
    assert 0.95 < low < high == 1
    assert accuracy.chance(5) == pytest.approx(0.05)


def test_chance_counts_every_right_candidate():
    is_right = torch.zeros(1, 10, dtype=torch.bool)
    is_right[:, :2] = True
    accuracy = retrieval_accuracy(torch.randn(1, 10), is_right)
    assert accuracy.chance(1) == pytest.approx(0.2)
    assert accuracy.chance(2) == pytest.approx(1 - (8 / 10) * (7 / 9))
    assert accuracy.chance(99) == 1


def test_duplicates_are_right_whatever_their_capitals():
    right = equal_texts(["a red 7", "blue"], ["A  red 7", "a red 8", "Blue ", "a red 7"])
    assert right.tolist() == [[True, False, False, True], [False, False, True, False]]


@pytest.mark.parametrize(
    ("similarity", "is_right", "message"),
    [
        (torch.zeros(2, 2), torch.tensor([[True, False], [False, False]]), "query 1 has no right candidate"),
        (torch.full((1, 1), torch.nan), torch.ones(1, 1, dtype=torch.bool), "nan"),
        (torch.zeros(0, 2), torch.zeros(0, 2, dtype=torch.bool), "neither empty"),
        (torch.zeros(1, 2), torch.ones(2, 1, dtype=torch.bool), "expected"),
    ],
)
def test_bad_input_says_what_is_wrong(similarity, is_right, message):
    with pytest.raises(ValueError, match=message):
        retrieval_accuracy(similarity, is_right)
