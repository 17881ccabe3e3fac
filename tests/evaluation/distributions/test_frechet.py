import math

import pytest
import torch

from heygen_hf.evaluation.distributions import (
    FeatureStatistics,
    frechet_distance,
    frechet_distance_of_features,
    frechet_distance_of_statistics,
)


@pytest.mark.parametrize("dimension", [1, 16, 400])
def test_zeros_against_ones_is_the_dimension(dimension):
    zeros, ones = torch.zeros(8, dimension), torch.ones(8, dimension)
    assert frechet_distance_of_features(zeros, ones) == pytest.approx(dimension, abs=1e-9)
    a, b = FeatureStatistics(), FeatureStatistics()
    a.update(zeros)
    b.update(ones)
    assert frechet_distance_of_statistics(a, b) == pytest.approx(dimension, abs=1e-9)


def random_covariance(size, rank, generator):
    root = torch.randn(rank, size, generator=generator, dtype=torch.float64)
    return root.T @ root / rank


@pytest.mark.parametrize("rank", [12, 5], ids=["full", "deficient"])
def test_two_gaussians_against_the_closed_form(rank):
    """Of covariances that commute the trace is that of (sqrt(a) - sqrt(b))² of their eigenvalues."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(12, 12, generator=generator, dtype=torch.float64)).Q
    values_a, values_b = (torch.rand(12, generator=generator, dtype=torch.float64) * 3 for _ in range(2))
    values_a[rank:] = 0
    mean_a, mean_b = (torch.randn(12, generator=generator, dtype=torch.float64) for _ in range(2))
    expected = (mean_a - mean_b).square().sum() + (values_a.sqrt() - values_b.sqrt()).square().sum()
    found = frechet_distance(mean_a, basis @ values_a.diag() @ basis.T, mean_b, basis @ values_b.diag() @ basis.T)
    assert found == pytest.approx(float(expected), abs=1e-6)


def test_covariances_that_do_not_commute_against_scipy():
    linalg = pytest.importorskip("scipy.linalg")
    generator = torch.Generator().manual_seed(1)
    a, b = random_covariance(10, 30, generator), random_covariance(10, 30, generator)
    expected = float(a.trace() + b.trace()) - 2 * float(linalg.sqrtm((a @ b).numpy()).real.trace())
    zeros = torch.zeros(10)
    assert frechet_distance(zeros, a, zeros, b) == pytest.approx(expected, abs=1e-6)


def test_a_set_has_no_distance_to_itself_whatever_its_rank():
    features = torch.randn(6, 50) * 100 + 1000
    assert frechet_distance_of_features(features, features) == pytest.approx(0, abs=1e-5)


def test_features_and_their_statistics_agree_below_and_above_full_rank():
    for count in (6, 40):
        a, b = torch.randn(count, 12), torch.randn(count + 3, 12) * 2 + 1
        means = [each.double().mean(0) for each in (a, b)]
        covariances = [torch.cov(each.double().T) for each in (a, b)]
        expected = frechet_distance(means[0], covariances[0], means[1], covariances[1])
        assert frechet_distance_of_features(a, b) == pytest.approx(expected, rel=1e-8)


def test_counts_are_repeats():
    a, b = torch.randn(10, 4), torch.randn(10, 4)
    counts = torch.tensor([2, 0, 1, 3, 1, 0, 1, 1, 1, 0])
    repeated = a.repeat_interleave(counts, dim=0)
    assert frechet_distance_of_features(a, b, counts_a=counts.numpy()) == pytest.approx(
        frechet_distance_of_features(repeated, b), rel=1e-9
    )


def test_equal_to_torchmetrics_with_the_same_features():
    image = pytest.importorskip("torchmetrics.image.fid")
    generator = torch.Generator().manual_seed(2)
    real = (torch.rand(64, 3, 8, 8, generator=generator) * 255).to(torch.uint8)
    fake = (torch.rand(64, 3, 8, 8, generator=generator).square() * 255).to(torch.uint8)

    class Eyes(torch.nn.Module):
        num_features = 12

        def forward(self, images):
            return images.double().reshape(len(images), 3, 4, 2, 4, 2).mean((3, 5)).reshape(len(images), 48)[:, ::4]

    metric = image.FrechetInceptionDistance(feature=Eyes(), input_img_size=(3, 8, 8))
    metric.set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    eyes = Eyes()
    ours = frechet_distance_of_features(eyes(fake).float(), eyes(real).float())
    assert ours == pytest.approx(float(metric.compute()), rel=1e-4)


def test_bad_input_is_one_line():
    mean, covariance = torch.zeros(3), torch.eye(3)
    with pytest.raises(ValueError, match=r"covariance_b has shape \(2, 2\); expected \(3, 3\)"):
        frechet_distance(mean, covariance, mean, torch.eye(2))
    with pytest.raises(ValueError, match="not finite"):
        frechet_distance(mean, covariance * math.nan, mean, covariance)
    with pytest.raises(ValueError, match="1 feature vector has no covariance"):
        frechet_distance_of_features(torch.zeros(1, 3), torch.zeros(4, 3))
