"""Corruptions of clips and sounds: worse with each severity, the same every time, and within range."""

import pytest
import torch

from heygen_hf.evaluation.robustness import (
    CLIP_CORRUPTIONS,
    SEVERITIES,
    SOUND_CORRUPTIONS,
    corrupt_clip,
    corrupt_sound,
)


@pytest.fixture
def clip() -> torch.Tensor:
    """A bright square that moves over a dark gradient: uint8 `(8, 3, 32, 32)`."""
    frames = torch.linspace(0, 90, 32).expand(8, 3, 32, 32).clone()
    for number in range(8):
        frames[number, :, 8:20, 2 * number : 2 * number + 8] = torch.tensor([230.0, 120.0, 40.0])[:, None, None]
    return frames.to(torch.uint8)


@pytest.mark.parametrize("kind", list(CLIP_CORRUPTIONS))
def test_each_severity_is_worse_than_the_one_before(kind: str, clip: torch.Tensor) -> None:
    errors = []
    for severity in SEVERITIES:
        worse = corrupt_clip(clip, kind, severity)
        assert worse.dtype == torch.uint8
        assert worse.shape == clip.shape
        assert torch.equal(worse, corrupt_clip(clip, kind, severity))
        as_floats = corrupt_clip(clip.float() / 255, kind, severity)
        assert as_floats.min() >= 0
        assert as_floats.max() <= 1
        assert torch.equal((as_floats * 255).round().to(torch.uint8), worse)
        errors.append(float((worse.float() - clip.float()).square().mean()))
    assert 0 < errors[0] < errors[1] < errors[2]


def test_a_clip_suffers_the_same_in_any_company_and_otherwise_with_another_seed(clip: torch.Tensor) -> None:
    first = corrupt_clip(clip, "noise", 1, seed=0)
    corrupt_clip(clip.flip(0), "noise", 1, seed=0)
    assert torch.equal(corrupt_clip(clip, "noise", 1, seed=0), first)
    assert not torch.equal(corrupt_clip(clip, "noise", 1, seed=1), first)


def test_dropped_frames_stand_still(clip: torch.Tensor) -> None:
    for severity, dropped in zip(SEVERITIES, (1, 2, 4), strict=True):
        worse = corrupt_clip(clip, "frame_drops", severity)
        assert torch.equal(worse[0], clip[0])
        still = [torch.equal(worse[i], worse[i - 1]) for i in range(1, 8)]
        assert sum(still) == dropped
        assert all(any(torch.equal(frame, real) for real in clip) for frame in worse)


def test_sizes_are_relative_to_the_clip(clip: torch.Tensor) -> None:
    large = torch.nn.functional.interpolate(clip.float(), scale_factor=4, mode="nearest").to(torch.uint8)
    small_error = (corrupt_clip(clip, "blur", 3).float() - clip.float()).abs().mean()
    large_error = (corrupt_clip(large, "blur", 3).float() - large.float()).abs().mean()
    assert float(large_error / small_error) == pytest.approx(1, abs=0.35)


def test_small_and_grey_clips_are_possible() -> None:
    for kind in CLIP_CORRUPTIONS:
        assert corrupt_clip(torch.rand(1, 1, 5, 4), kind, 3).shape == (1, 1, 5, 4)


@pytest.mark.parametrize("kind", list(SOUND_CORRUPTIONS))
def test_sounds_get_worse_with_each_severity(kind: str) -> None:
    sound = torch.sin(torch.arange(8000) * 0.05) * torch.linspace(0.1, 1, 8000)
    made = [corrupt_sound(sound, kind, severity, sampling_rate=8000) for severity in SEVERITIES]
    errors = [float((each - sound).square().mean()) for each in made]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert torch.equal(made[1], corrupt_sound(sound, kind, 2, sampling_rate=8000))


def test_noise_has_the_power_that_it_says() -> None:
    sound = torch.sin(torch.arange(80_000) * 0.05)
    noise = corrupt_sound(sound, "noise", 2, sampling_rate=8000) - sound
    assert float(10 * torch.log10(sound.square().mean() / noise.square().mean())) == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((torch.rand(2, 3, 4, 4), "rain", 1), "no corruption 'rain'; known are noise"),
        ((torch.rand(2, 3, 4, 4), "noise", 4), "severity is 4; expected 1, 2 or 3"),
        ((torch.rand(3, 4, 4), "noise", 1), r"shape \(3, 4, 4\)"),
    ],
)
def test_bad_input_is_refused(arguments: tuple, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        corrupt_clip(*arguments)
