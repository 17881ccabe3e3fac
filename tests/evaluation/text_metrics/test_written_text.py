import pytest

from heygen_hf.evaluation.intervals import wilson_interval
from heygen_hf.evaluation.text_metrics.written_text import named_values, split_words, written_text_accuracy


def test_case_and_spaces_do_not_count_and_punctuation_does():
    assert split_words("A red 7, moving!") == split_words("a  RED 7 , moving !")
    assert split_words("a red 7") != split_words("a red 7!")


def test_values_are_named_by_whole_words_the_longest_first():
    assert named_values("a light blue 17", ["blue", "light blue", "1", "7", "17"]) == {"light blue", "17"}
    assert named_values("bluetooth", ["blue"]) == set()
    assert named_values("anything", ["", "…"]) == set()


def test_exact_matches_and_columns_by_group():
    report = written_text_accuracy(
        ["a red 7", "a blue 7", "a red blue 7", "nothing"],
        ["A red 7", "a red 7", "a red 7", "a 7"],
        columns={"colour": ["red", "blue"], "digit": ["7"]},
        groups=["seen", "seen", "unseen", None],
    )
    assert (report["exact_match"]["correct"], report["exact_match"]["count"]) == (1, 4)
    # The last reference names no colour; red and blue together are not red.
    assert (report["columns"]["colour"]["correct"], report["columns"]["colour"]["count"]) == (1, 3)
    assert (report["columns"]["digit"]["correct"], report["columns"]["digit"]["count"]) == (3, 4)
    assert report["groups"].keys() == {"seen", "unseen"}
    seen = report["groups"]["seen"]["exact_match"]
    assert seen == {"accuracy": 0.5, "correct": 1, "count": 2, "interval": list(wilson_interval(1, 2))}


def test_nothing_to_count_has_no_accuracy():
    report = written_text_accuracy(["a"], ["b"], columns={"colour": ["red"]})
    assert report["columns"]["colour"]["accuracy"] is None
    assert report["groups"] == {}


def test_lengths_that_differ_are_refused():
    with pytest.raises(ValueError, match="lengths differ"):
        written_text_accuracy(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="lengths differ"):
        written_text_accuracy(["a"], ["a"], groups=[])
