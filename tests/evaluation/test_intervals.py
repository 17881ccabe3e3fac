import pytest

from heygen_hf.evaluation import wilson_interval


@pytest.mark.parametrize(
    ("successes", "count", "low", "high"),
    [
        # worked out in Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_agrees_with_published_values(successes, count, low, high):
    assert wilson_interval(successes, count) == pytest.approx((low, high), abs=5e-5)


def test_is_symmetric_and_exact_at_the_ends():
    low, high = wilson_interval(7, 31)
    assert wilson_interval(24, 31) == pytest.approx((1 - high, 1 - low))
    assert wilson_interval(240, 240)[1] == 1.0
    assert wilson_interval(0, 240)[0] == 0.0
    assert wilson_interval(0, 0) == (0.0, 1.0)


def test_more_confidence_or_fewer_trials_widen_it():
    def width(*arguments):
        low, high = wilson_interval(*arguments)
        return high - low

    assert width(8, 10, 0.99) > width(8, 10, 0.95) > width(8, 10, 0.8)
    assert width(8, 10) > width(80, 100)


@pytest.mark.parametrize("arguments", [(11, 10), (-1, 10), (0, -1)])
def test_impossible_counts_are_refused(arguments):
    with pytest.raises(ValueError, match="must be in"):
        wilson_interval(*arguments)


def test_impossible_confidence_is_refused():
    with pytest.raises(ValueError, match=r"confidence=95 must be in \(0, 1\)"):
        wilson_interval(5, 10, 95)
