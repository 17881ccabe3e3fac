"""Audio-video sync among the metrics: pictures whose brightness is their signal, beside sounds."""

import pytest
import torch

from heygen_hf.evaluation import MeasuringSettings, MetricModels, compute_metrics

FEW = MeasuringSettings(allow_too_few=True, num_resamples=30, batch_size=2)


def brightness(clip: torch.Tensor) -> torch.Tensor:
    return clip.mean((1, 2, 3))


MODELS = MetricModels(picture_signal=brightness)


def waves(count: int, *, frames: int = 24, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(frames, generator=generator, dtype=torch.float64) for _ in range(count)]


def clips(signals: list[torch.Tensor]) -> list[torch.Tensor]:
    return [signal.float()[:, None, None, None].expand(-1, 3, 8, 8) for signal in signals]


def measure(pictures: list[torch.Tensor], sounds: list[torch.Tensor], **options: object):
    found = compute_metrics(["audio_video_sync"], pictures, sounds=sounds, models=MODELS, settings=FEW, **options)
    return found["audio_video_sync"]


def test_clips_that_follow_their_sound() -> None:
    sounds = waves(4)
    figure = measure(clips(sounds), sounds)
    assert figure.value == pytest.approx(1.0)
    assert (figure.count, figure.unit, figure.details["in_sync"]) == (4, "correlation", 1.0)
    assert figure.provenance.options["picture"] == "brightness"


def test_a_constant_delay_is_seen_in_the_details() -> None:
    sounds = waves(4)
    late = measure(clips([torch.roll(sound, 3) for sound in sounds]), sounds)
    assert late.value > 0.95  # at its best offset, three frames off
    assert late.details["in_sync"] == 0
    assert late.details["correlation_unmoved"] < 0.5


def test_real_clips_are_measured_with_the_same_sounds() -> None:
    sounds = waves(5)
    figure = measure(clips(waves(5, seed=1)), sounds, references=clips(sounds))
    assert figure.reference_value == pytest.approx(1.0)
    assert figure.value < 0.8


def test_silence_is_left_out_and_a_still_picture_follows_nothing() -> None:
    sounds = waves(3)
    pictures = [sounds[0], torch.full_like(sounds[1], 0.5), sounds[2]]
    figure = measure(clips(pictures), [sounds[0], sounds[1], torch.zeros(24)])
    assert figure.value == pytest.approx(0.5)
    assert (figure.count, figure.details["num_silent"]) == (2, 1)
    with pytest.raises(ValueError, match="the sound of none of 3 clips changes"):
        measure(clips(sounds), [torch.zeros(24)] * 3)


def test_sounds_that_do_not_fit_are_refused() -> None:
    sounds = waves(2)
    with pytest.raises(ValueError, match="audio_video_sync compares clips with their sound; give sounds"):
        compute_metrics(["audio_video_sync"], clips(sounds), models=MODELS, settings=FEW)
    with pytest.raises(ValueError, match="there are 1 sounds for 2 generated clips"):
        measure(clips(sounds), sounds[:1])
    with pytest.raises(ValueError, match="24 frames and 20 numbers of sound"):
        measure(clips(sounds), waves(2, frames=20))
