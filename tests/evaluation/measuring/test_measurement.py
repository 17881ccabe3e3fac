import json
import math

import numpy as np
import pytest

from heygen_hf.evaluation.measuring import (
    Measurement,
    MeasuringSettings,
    Provenance,
    TooFewClipsError,
    centred_interval,
    check_minimum_count,
    draw_counts,
    halves,
    mean_bootstrap_interval,
    part_and_rest,
)


def test_a_measurement_comes_back_from_json():
    provenance = Provenance(convention="c", features={"weights_hash": "ab"}, seed=3, options={"data_range": 1.0})
    figure = Measurement(name="fvd", value=1.5, count=3, interval=(1.0, 2.0), provenance=provenance, unit="dB")
    read = Measurement.from_dict(json.loads(figure.to_json()))
    assert read == figure
    assert float(read) == 1.5
    assert {"python", "torch", "heygen_hf"} <= set(read.provenance.versions)
    assert "[1, 2]" in str(figure)


def test_what_is_not_finite_is_null_in_json():
    figure = Measurement(name="psnr", value=math.nan, count=0, provenance=Provenance(convention="c"))
    assert json.loads(figure.to_json())["value"] is None
    assert math.isnan(Measurement.from_dict(figure.to_dict()).value)
    with pytest.raises(ValueError, match="'extra' does not fit a measurement"):
        Measurement.from_dict({**figure.to_dict(), "extra": 1})


def test_too_few_are_refused_unless_allowed():
    assert not check_minimum_count("fvd", {"generated": 300}, minimum=256, allow_too_few=False)
    with pytest.raises(TooFewClipsError, match=r"fvd: 100 generated clips, and below 256 .* set allow_too_few"):
        check_minimum_count("fvd", {"generated": 100}, minimum=256, allow_too_few=False)
    assert check_minimum_count("fvd", {"generated": 100}, minimum=256, allow_too_few=True)
    with pytest.raises(TooFewClipsError, match="cannot be computed of fewer than 2"):
        check_minimum_count("fvd", {"generated": 1}, minimum=256, allow_too_few=True, at_least=2)


def test_the_bootstrap_finds_the_standard_error_and_repeats_itself():
    values = np.random.default_rng(0).normal(5.0, 2.0, size=400)
    low, high = mean_bootstrap_interval(values, seed=1)
    assert (low, high) == mean_bootstrap_interval(values, seed=1)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high
    assert mean_bootstrap_interval(values[:1]) is None
    assert mean_bootstrap_interval(values, num_resamples=0) is None


def test_draws_have_as_many_clips_as_there_are():
    counts = draw_counts(20, num_resamples=50, seed=0)
    assert counts.shape == (50, 20)
    assert (counts.sum(1) == 20).all()
    assert len(np.unique(counts, axis=0)) > 40


def test_a_biased_resample_is_centred_on_the_value():
    resampled = 10 + np.random.default_rng(0).normal(size=1000)
    low, high = centred_interval(3.0, resampled, confidence=0.95)
    assert low < 3 < high
    assert high - low == pytest.approx(2 * 1.96, rel=0.1)
    assert centred_interval(0.1, resampled, confidence=0.95)[0] == 0.0  # a distance is never below
    narrow = centred_interval(3.0, resampled, confidence=0.95, kept_share=0.25)
    assert narrow[1] - narrow[0] == pytest.approx((high - low) / 2)


def test_halves_share_nothing():
    first, second = halves(11, seed=0)
    assert len(first) == len(second) == 5
    assert not set(first) & set(second)
    assert not np.array_equal(first, halves(11, seed=1)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"confidence": 1.0}, r"confidence=1.0 must be in \(0, 1\)"),
        ({"num_resamples": -1}, "at least 0"),
        ({"max_kept_clips": 1}, "at least 2"),
    ],
)
def test_settings_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        MeasuringSettings(**options)


def test_a_part_and_the_rest_share_nothing_and_the_part_is_at_most_half():
    part, rest = part_and_rest(11, part=3, seed=0)
    assert (len(part), len(rest)) == (3, 8)
    assert sorted([*part, *rest]) == list(range(11))
    assert len(part_and_rest(11, part=9, seed=0)[0]) == 5
