import numpy as np
import pytest
import torch

from heygen_hf.evaluation.clip_figures import frame_psnr, frame_ssim

RANGES = pytest.mark.parametrize(("low", "data_range"), [(0.0, 1.0), (-1.0, 2.0), (0.0, 255.0)])


@pytest.fixture
def clips():
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(2, 3, 3, 8, 8, generator=generator)
    smooth = torch.nn.functional.interpolate(smooth.flatten(0, 1), size=(24, 20), mode="bilinear").unflatten(0, (2, 3))
    return smooth, (smooth + 0.1 * torch.randn(smooth.shape, generator=generator)).clamp(0, 1)


@RANGES
def test_equal_to_scikit_image(clips, low, data_range):
    metrics = pytest.importorskip("skimage.metrics")
    first, second = ((pixels.double() * data_range + low).numpy() for pixels in clips)
    psnr = [
        np.mean([metrics.peak_signal_noise_ratio(b, a, data_range=data_range) for a, b in zip(x, y, strict=True)])
        for x, y in zip(first, second, strict=True)
    ]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": 0}
    ssim = [
        np.mean(
            [metrics.structural_similarity(a, b, data_range=data_range, **options) for a, b in zip(x, y, strict=True)]
        )
        for x, y in zip(first, second, strict=True)
    ]
    ours = [torch.from_numpy(pixels) for pixels in (first, second)]
    assert frame_psnr(*ours, data_range=data_range).tolist() == pytest.approx(psnr, abs=1e-9)
    assert frame_ssim(*ours, data_range=data_range).tolist() == pytest.approx(ssim, abs=1e-9)


def test_psnr_is_the_mean_over_frames_and_not_that_of_the_clip():
    target = torch.zeros(1, 2, 1, 4, 4)
    clips = target.clone()
    clips[0, 0] = 0.1
    clips[0, 1] = 0.01
    assert frame_psnr(clips, target, data_range=1.0).tolist() == pytest.approx([(20 + 40) / 2], abs=1e-4)


def test_the_range_changes_both_figures(clips):
    first, second = clips
    ssim, psnr = ([float(f(first, second, data_range=r)[0]) for r in (1.0, 2.0)] for f in (frame_ssim, frame_psnr))
    assert ssim[1] > ssim[0] + 0.005
    assert psnr[1] == pytest.approx(psnr[0] + 20 * np.log10(2), abs=1e-6)


def test_bad_input_is_one_line(clips):
    with pytest.raises(ValueError, match="data_range=0 must be above 0: 1 of pixels"):
        frame_psnr(*clips, data_range=0)
    with pytest.raises(ValueError, match="the same for both"):
        frame_ssim(clips[0], clips[1][:, :1], data_range=1.0)
