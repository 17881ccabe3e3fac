"""How many are nearer than held-out clips: what is counted, and whether the interval holds what it says."""

import numpy as np
import pytest

from heygen_hf.evaluation.memorization import nearer_share


def test_copies_are_counted_and_the_interval_lies_above_chance() -> None:
    generator = np.random.default_rng(0)
    held_out = generator.uniform(1, 2, 400)
    made = np.concatenate([np.zeros(60), generator.uniform(1, 2, 140)])
    found = nearer_share(made, held_out)
    assert found.nearer_than_all >= 60
    assert 60 / 200 <= found.share <= 75 / 200
    assert found.interval[0] > found.expected
    assert found.count == 200
    assert found.held_out_count == 400
    assert found.threshold == pytest.approx(1.05, abs=0.03)
    assert (held_out < found.threshold).mean() == found.expected == pytest.approx(0.05, abs=0.005)


def test_no_copies_are_no_certainty() -> None:
    found = nearer_share(np.full(50, 3.0), np.linspace(1, 2, 100))
    assert found.nearer == found.nearer_than_all == 0
    assert found.interval[0] == 0
    assert 0.03 < found.interval[1] < 0.2
    assert found.median_ratio == pytest.approx(2)


def test_the_interval_holds_the_true_share() -> None:
    generator = np.random.default_rng(0)
    held = sum(
        found.interval[0] <= 0.05 <= found.interval[1]
        for found in (nearer_share(generator.normal(size=100), generator.normal(size=150)) for _ in range(200))
    )
    assert held >= 190


def test_few_held_out_clips_bound_nothing_below() -> None:
    found = nearer_share([0.5, 1.5], [1.0, 2.0, 3.0])
    assert found.threshold_interval[0] == -np.inf
    assert found.interval[0] == 0


@pytest.mark.parametrize(
    ("made", "held_out", "options", "said"),
    [
        ([], [1.0], {}, "0 generated"),
        ([1.0], [], {}, "0 held-out"),
        ([1.0], [1.0], {"quantile": 1.0}, r"quantile=1.0 must be in \(0, 1\)"),
    ],
)
def test_bad_input_is_refused(made: list[float], held_out: list[float], options: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nearer_share(made, held_out, **options)
