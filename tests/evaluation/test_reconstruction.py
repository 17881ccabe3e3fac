"""PSNR and SSIM against their definitions, and the interval of a mean."""

import math

import pytest
import torch

from heygen_hf.evaluation import clip_psnr, clip_ssim, mean_with_interval
from heygen_hf.evaluation.reconstruction import HIGHEST_PSNR


def test_psnr_is_per_clip_of_the_whole_range() -> None:
    target = torch.zeros(2, 3, 3, 8, 8)
    ours = target.clone()
    ours[0] += 0.2  # a tenth of [-1, 1]
    torch.testing.assert_close(clip_psnr(ours, target), torch.tensor([20.0, HIGHEST_PSNR]))
    torch.testing.assert_close(clip_psnr(ours / 2 + 0.5, target / 2 + 0.5, value_range=(0, 1))[0], torch.tensor(20.0))
    assert clip_psnr(target + 9, target + 1)[0] == HIGHEST_PSNR  # clamped to white


def test_ssim_is_the_published_one() -> None:
    torch.manual_seed(0)
    target, ours = torch.rand(1, 1, 1, 13, 12), torch.rand(1, 1, 1, 13, 12)
    found = clip_ssim(ours, target, value_range=(0, 1)).item()
    # window by window, as the paper writes it
    places = torch.arange(11.0) - 5
    line = torch.exp(-(places**2) / (2 * 1.5**2))
    window = torch.outer(line, line) / line.sum() ** 2
    values = []
    for row in range(3):
        for column in range(2):
            a, b = (clip[0, 0, 0, row : row + 11, column : column + 11] for clip in (ours, target))
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a, var_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
            covariance = (window * (a - mean_a) * (b - mean_b)).sum()
            top = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
            values.append(top / ((mean_a**2 + mean_b**2 + 1e-4) * (var_a + var_b + 9e-4)))
    assert found == pytest.approx(torch.stack(values).mean().item(), abs=1e-5)


def test_ssim_of_equal_clips_is_one_and_falls_with_noise() -> None:
    torch.manual_seed(0)
    target = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    assert clip_ssim(target, target).tolist() == pytest.approx([1.0, 1.0])
    noisy = [clip_ssim(target + level * torch.randn_like(target), target).mean() for level in (0.1, 0.5)]
    assert 1 > noisy[0] > noisy[1]
    assert clip_ssim(target[..., :4, :6], target[..., :4, :6]).tolist() == pytest.approx([1.0, 1.0])


def test_shapes_that_differ_are_refused() -> None:
    for measure in (clip_psnr, clip_ssim):
        with pytest.raises(ValueError, match="the same for both"):
            measure(torch.zeros(1, 2, 3, 8, 8), torch.zeros(1, 3, 3, 8, 8))


def test_the_interval_is_students() -> None:
    found = mean_with_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = 2.776445 * math.sqrt(2.5 / 5)  # t of 4 degrees of freedom
    assert found.value == 3
    assert found.count == 5
    assert found.interval == pytest.approx((3 - half, 3 + half), rel=1e-2)
    two = mean_with_interval([0.0, 2.0])
    assert two.interval == pytest.approx((1 - 12.7062, 1 + 12.7062), rel=1e-4)
    assert mean_with_interval([4.0]).interval is None
    assert math.isnan(mean_with_interval([]).value)
    with pytest.raises(ValueError, match="confidence=2"):
        mean_with_interval([1.0, 2.0], confidence=2)
