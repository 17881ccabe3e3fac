"""Group comparisons: the worst group, and whether a gap is more than chance."""

import numpy as np
import pytest

from heygen_hf.evaluation import wilson_interval
from heygen_hf.evaluation.groups import compare_groups, holm


def test_a_planted_gap_is_found_and_named() -> None:
    groups = ["a", "b", "c", "d"] * 50
    values = [0.0 if group == "c" and number % 8 < 4 else 1.0 for number, group in enumerate(groups)]
    found = compare_groups(values, groups, is_share=True, num_permutations=500)
    worst = found.worst
    assert worst is not None
    assert (worst.group, worst.count, worst.value) == ("c", 50, 0.5)
    assert worst.gap == pytest.approx(found.value - 0.5)
    assert worst.interval == wilson_interval(25, 50)
    assert worst.p_value is not None
    assert worst.p_value < 0.01
    assert all(group.p_value is not None and group.p_value > 0.05 for group in found.groups[1:])
    assert found.interval == wilson_interval(175, 200)


def test_where_there_is_no_gap_false_alarms_are_as_rare_as_said() -> None:
    generator = np.random.default_rng(0)
    alarms = 0
    for seed in range(200):
        # groups of very different sizes: a small one strays furthest
        groups = generator.choice(8, size=120, p=[0.3, 0.2, 0.2, 0.1, 0.05, 0.05, 0.05, 0.05])
        values = (generator.random(120) < 0.8).astype(float)
        worst = compare_groups(values, groups, is_share=True, num_permutations=200, seed=seed).worst
        alarms += worst is not None and worst.p_value is not None and worst.p_value <= 0.05
    assert alarms <= 20  # 10 are expected


def test_videos_of_one_prompt_are_not_taken_for_evidence_on_its_group() -> None:
    generator = np.random.default_rng(1)
    prompts = np.repeat(np.arange(40), 5)
    groups = prompts % 8
    alarms = {"clips": 0, "prompts": 0}
    for seed in range(60):
        easy = generator.random(40)[prompts]  # prompts differ, groups do not
        values = (generator.random(200) < easy).astype(float)
        for units, given in (("clips", None), ("prompts", prompts)):
            found = compare_groups(values, groups, is_share=True, prompts=given, num_permutations=200, seed=seed)
            assert found.units == units
            assert found.worst is not None
            assert found.worst.p_value is not None
            alarms[units] += found.worst.p_value <= 0.05
    assert alarms["prompts"] <= 8
    assert alarms["clips"] > 12


def test_lower_may_be_better_and_either_way_may_be_off() -> None:
    values = [1.0] * 10 + [2.0] * 10 + [2.9] * 10
    groups = ["low"] * 10 + ["middle"] * 10 + ["high"] * 10
    for higher_is_better, expected in ((True, "low"), (False, "high"), (None, "low")):
        worst = compare_groups(values, groups, higher_is_better=higher_is_better, num_permutations=100).worst
        assert worst is not None
        assert worst.group == expected
        assert worst.gap > 0


def test_the_surest_group_may_be_another_than_the_worst() -> None:
    # 3 of 6 may happen by chance where 84 % are right; 60 of 100 does not
    values = [1.0] * 3 + [0.0] * 3 + [1.0] * 60 + [0.0] * 40 + [1.0] * 194 + [0.0] * 6
    groups = ["few"] * 6 + ["many"] * 100 + ["others"] * 200
    found = compare_groups(values, groups, is_share=True, num_permutations=500)
    assert found.worst is not None
    assert found.surest is not None
    assert (found.worst.group, found.surest.group) == ("few", "many")
    assert found.surest.p_value is not None
    assert found.surest.p_value < 0.01


def test_small_groups_are_shown_and_not_compared() -> None:
    found = compare_groups([1.0] * 9 + [0.0], ["a"] * 9 + ["b"], is_share=True, num_permutations=100)
    assert found.worst is None
    assert {(group.group, group.count, group.p_value) for group in found.groups} == {("a", 9, None), ("b", 1, None)}


def test_the_same_seed_gives_the_same_figures() -> None:
    generator = np.random.default_rng(0)
    values, groups = generator.normal(size=60), generator.integers(0, 3, size=60)
    first, second = (compare_groups(values, groups, num_permutations=300, seed=4) for _ in range(2))
    assert first == second
    assert compare_groups(values, groups, num_permutations=300, seed=5) != first


@pytest.mark.parametrize(
    ("values", "groups", "options", "said"),
    [
        ([1.0], ["a", "b"], {}, r"one of each"),
        ([], [], {}, r"one of each"),
        ([float("nan"), 1.0], ["a", "b"], {}, r"clip 0 is not finite"),
        ([0.5, 1.0], ["a", "b"], {"is_share": True}, r"0 or 1"),
    ],
)
def test_bad_input_is_refused(values: list[float], groups: list[str], options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare_groups(values, groups, **options)


def test_holm_agrees_with_the_worked_example() -> None:
    # sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, each at least the one before
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
