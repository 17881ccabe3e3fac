"""Falls of pairs: no more than chance unless an exact test says so."""

import numpy as np
import pytest

from heygen_hf.evaluation.robustness import paired_fall


def test_a_fall_is_measured_over_pairs() -> None:
    before = [1.0, 1.0, 0.0, 1.0] * 25
    after = [1.0, 0.0, 0.0, 1.0] * 25
    fall = paired_fall(before, after)
    assert (fall.before, fall.after, fall.fall, fall.count) == (0.75, 0.5, 0.25, 100)
    assert fall.interval is not None
    assert 0.1 < fall.interval[0] < 0.25 < fall.interval[1] < 0.4
    assert fall.test == "sign test"
    assert fall.p_value == pytest.approx(2 / 2**25)
    assert fall.is_more_than_chance
    same = paired_fall(before, before)
    assert same.interval == (0, 0)
    assert same.p_value == 1
    assert not same.is_more_than_chance
    with pytest.raises(ValueError, match="two of each clip"):
        paired_fall([1.0], [1.0, 0.0])
    with pytest.raises(ValueError, match="1 prompts of 2 pairs"):
        paired_fall([1.0, 0.0], [1.0, 0.0], prompts=["a"])


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_few_pairs_prove_nothing(count: int) -> None:
    fall = paired_fall([1.0] * count, [0.0] * count)
    assert fall.interval == (1, 1)
    assert fall.p_value == 2 / 2**count
    assert not fall.is_more_than_chance
    correlations = paired_fall(np.linspace(0.8, 0.9, count), np.linspace(0.1, 0.3, count))
    assert correlations.test == "sign flips"
    assert correlations.p_value == 2 / 2**count
    assert not correlations.is_more_than_chance


def test_the_sign_test_is_mcnemars() -> None:
    before = [1.0] * 9 + [0.0] * 2 + [1.0] * 50
    after = [0.0] * 9 + [1.0] * 2 + [1.0] * 50
    # 11 changed, 2 of them upwards: 2 (1 + 11 + 55) / 2^11
    assert paired_fall(before, after).p_value == pytest.approx(2 * 67 / 2048)


def test_chance_is_called_chance_at_its_rate() -> None:
    generator = np.random.default_rng(0)
    for count in (4, 30):
        found = []
        for _ in range(300):
            before, after = generator.normal(size=(2, count))
            found.append(paired_fall(before, after).is_more_than_chance)
        assert np.mean(found) < 0.09
    assert paired_fall(np.arange(30) + 0.5, np.arange(30.0)).is_more_than_chance


def test_videos_of_one_prompt_are_no_independent_pairs() -> None:
    before, after = [1.0] * 40, [0.0] * 20 + [1.0] * 20
    alone = paired_fall(before, after)
    together = paired_fall(before, after, prompts=["a"] * 20 + ["b"] * 20)
    assert alone.is_more_than_chance
    assert (together.num_units, together.p_value) == (2, 1.0)
    assert not together.is_more_than_chance
    assert together.interval == (0, 1)
    assert together.fall == alone.fall
