import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import polynomial_kernel

from heygen_hf.evaluation.distributions import FeatureStatistics, polynomial_mmd, polynomial_mmd_of_statistics
from heygen_hf.evaluation.distributions.polynomial_mmd import resampled_polynomial_mmd


def by_kernels(a, b, *, gamma=None, offset=0.0):
    kernels = [polynomial_kernel(x, y, 2, gamma, offset) for x, y in ((a, a), (b, b), (a, b))]
    return kernels[0].mean() + kernels[1].mean() - 2 * kernels[2].mean()


@pytest.fixture
def sets():
    return torch.randn(30, 6), torch.randn(20, 6) * 1.5 + 0.3


@pytest.mark.parametrize(("gamma", "offset"), [(None, 0.0), (0.5, 1.0)])
def test_moments_give_what_kernels_give(sets, gamma, offset):
    a, b = sets
    expected = by_kernels(a.double().numpy(), b.double().numpy(), gamma=gamma, offset=offset)
    assert polynomial_mmd(a, b, gamma=gamma, offset=offset) == pytest.approx(expected, rel=1e-9)


def test_streamed_is_at_once(sets):
    statistics = []
    for features in sets:
        each = FeatureStatistics(max_kept_clips=5)
        for batch in features.split(7):
            each.update(batch)
        statistics.append(each)
    assert polynomial_mmd_of_statistics(*statistics) == pytest.approx(polynomial_mmd(*sets), rel=1e-9)


def test_resamples_are_of_repeated_clips(sets):
    a, b = sets
    counts_a = np.random.default_rng(0).multinomial(30, [1 / 30] * 30, size=3)
    counts_b = np.ones((3, 20), dtype=int)
    found = resampled_polynomial_mmd(a, b, counts_a, counts_b)
    for counts, value in zip(counts_a, found, strict=True):
        repeated = a.repeat_interleave(torch.as_tensor(counts), dim=0)
        assert value == pytest.approx(polynomial_mmd(repeated, b), rel=1e-9)


def test_a_set_is_like_itself_and_shapes_must_fit(sets):
    assert polynomial_mmd(sets[0], sets[0].flip(0)) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match=r"\(30, 6\) and \(4, 5\)"):
        polynomial_mmd(sets[0], torch.zeros(4, 5))
