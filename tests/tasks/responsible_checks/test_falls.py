"""Which fall is called the largest: no more than chance over all that were compared, by pairs where there are pairs."""

import numpy as np
import pytest

from heygen_hf.evaluation import Measurement, Provenance
from heygen_hf.tasks.responsible_checks.falls import fall_figure, fall_table, over_all_comparisons, worst_fall
from heygen_hf.tasks.responsible_checks.severity_table import severity_rows, severity_summary

PROVENANCE = Provenance(convention="a test", seed=0)


def falls_of(changed: dict[str, int], *, count: int = 40) -> list[Measurement]:
    """Of each kind so many videos that were right and are wrong."""
    return [
        fall_figure(
            "accuracy, digit",
            np.ones(count),
            np.array([0.0] * number + [1.0] * (count - number)),
            provenance=PROVENANCE,
            details={"kind": kind, "corruption": kind, "severity": 1},
        )
        for kind, number in changed.items()
    ]


def test_one_of_many_falls_must_be_surer_than_one_alone() -> None:
    alone = over_all_comparisons(falls_of({"typo": 6}))
    assert alone[0].details["p_value"] == 2 / 2**6
    found = worst_fall(alone)
    assert found is not None
    assert found.details["kind"] == "typo"
    many = over_all_comparisons(falls_of({"typo": 6, "casing": 0, "template": 1, "word_order": 2}))
    assert many[0].details["p_value"] == 2 / 2**6
    assert many[0].details["p_value_over_all_comparisons"] == 4 * 2 / 2**6
    assert worst_fall(many) is None
    assert "↓" not in str(fall_table(many, by="kind"))
    surest = over_all_comparisons(falls_of({"typo": 6, "casing": 0, "synonyms": 30}))
    found = worst_fall(surest)
    assert found is not None
    assert found.details["kind"] == "synonyms"
    assert str(fall_table(surest, by="kind")).count("↓") == 1


def test_corruption_goes_by_pairs() -> None:
    # of 200 pairs 9 fall and none rises: the intervals overlap, the pairs say it
    (paired,) = over_all_comparisons(falls_of({"noise": 9}, count=200))
    assert paired.interval is not None
    summary = severity_summary([paired], what="the sound")
    assert "the largest fall is by noise of severity 1: accuracy, digit from 100.0% to 95.5%" in summary
    assert "p 0.0039 over all falls" in summary
    assert "↓" in severity_rows([paired])[0][3]
    # of 4 pairs all fall: the intervals lie apart, and it is no proof
    few = over_all_comparisons(falls_of({"noise": 4, "blur": 4}, count=4))
    assert all(figure.interval is not None and figure.interval[1] < 1 for figure in few)
    assert severity_summary(few, what="the sound") == (
        "No figure falls by more than chance would make it when the sound gets worse."
    )


def test_what_was_before_is_that_of_most_videos() -> None:
    figures = over_all_comparisons([*falls_of({"typo": 6}), *falls_of({"synonyms": 1}, count=10)])
    _, rows = fall_table(figures, by="kind")
    assert rows[0] == ("as it was", "100.0%", "40")
    assert [row[-1] for row in rows[1:]] == ["40", "10"]


def test_figures_without_pairs_say_so() -> None:
    figure = Measurement(
        name="accuracy",
        value=0.2,
        count=100,
        reference_value=0.9,
        higher_is_better=True,
        unit="share",
        interval=(0.1, 0.3),
        provenance=PROVENANCE,
        details={"corruption": "noise", "severity": 3},
    )
    assert "clips are not paired" in severity_summary([figure], what="the input")
    assert "↓" not in severity_rows([figure])[0][5]


@pytest.mark.parametrize("prompts", [None, ["a"] * 20 + ["b"] * 20])
def test_prompts_are_resampled(prompts: list[str] | None) -> None:
    figure = fall_figure(
        "accuracy, digit",
        np.ones(40),
        np.array([0.0] * 20 + [1.0] * 20),
        provenance=PROVENANCE,
        details={},
        prompts=prompts,
    )
    (figure,) = over_all_comparisons([figure])
    assert figure.details["is_more_than_chance"] is (prompts is None)
    assert figure.details["independent_pairs"] == (40 if prompts is None else 2)
