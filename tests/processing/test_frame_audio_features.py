import math

import pytest
import torch

from heygen_hf.processing import FrameAudioFeatureExtractor


def click_at(seconds: float, *, duration_seconds: float, rate: int = 16_000) -> torch.Tensor:
    samples = torch.zeros(round(duration_seconds * rate))
    samples[round(seconds * rate)] = 0.5
    return samples


@pytest.mark.parametrize("frame_rate", [25.0, 30.0, 8.0])
def test_a_sound_is_heard_at_its_frame_also_after_a_long_time(frame_rate: float) -> None:
    extractor = FrameAudioFeatureExtractor()
    frames = int(20 * frame_rate)
    number = frames - 3
    sound = click_at((number + 0.5) / frame_rate, duration_seconds=20)
    features = extractor(sound, 16_000, num_frames=frames, frame_rate=frame_rate)["audio_features"]
    assert features.shape == (1, frames, extractor.hidden_size)
    assert features[0].amax(dim=-1).argmax() == number
    assert (features[0, : number - 1] == features[0, 0, 0]).all()


def test_levels_are_kept_and_silence_is_a_number_of_its_own() -> None:
    extractor = FrameAudioFeatureExtractor()
    tone = 0.1 * torch.sin(torch.arange(16_000) / 16_000 * 440 * 2 * math.pi)
    soft, loud = (extractor.analyze(tone * gain) for gain in (1, 2))
    band = soft[50].argmax()
    torch.testing.assert_close((loud - soft)[10:-10, band], torch.full((80,), math.log(4) / 6), atol=1e-3, rtol=0)
    assert extractor.analyze(torch.zeros(1600)).allclose(torch.tensor(extractor.silence))
    # Beyond the end of the sound, and where a frame shows nothing.
    features = extractor.at_times(soft, [0.5, -1.0, 3.0], frame_seconds=0.04)
    assert (features[1:] == extractor.silence).all()
    assert features[0].max() > 1


def test_frames_are_the_same_from_a_part_of_the_rows() -> None:
    extractor = FrameAudioFeatureExtractor(steps_per_frame=2)
    rows = torch.randn(200, 24)
    whole = extractor.at_times(rows, torch.arange(40) / 25, frame_seconds=0.04)
    some = extractor.at_times(rows, [3 / 25, 10 / 25, 7 / 25], frame_seconds=0.04)
    torch.testing.assert_close(some, whole[[3, 10, 7]], atol=1e-4, rtol=1e-4)
    # A row every 10 ms, two steps a frame: 10 and 30 ms after its start.
    torch.testing.assert_close(whole[5], torch.cat((rows[21], rows[23])), atol=1e-4, rtol=1e-4)


def test_it_is_saved_with_what_decides_its_features(tmp_path) -> None:
    extractor = FrameAudioFeatureExtractor(10, 8000, steps_per_frame=3, max_frequency=3000.0, speech_level=0.12)
    extractor.save_pretrained(tmp_path)
    loaded = FrameAudioFeatureExtractor.from_pretrained(tmp_path)
    assert (loaded.hidden_size, loaded.speech_level) == (30, 0.12)
    sound = torch.randn(4000) * 0.1
    assert torch.equal(loaded.analyze(sound), extractor.analyze(sound))


def test_what_cannot_be_heard_is_refused() -> None:
    extractor = FrameAudioFeatureExtractor()
    with pytest.raises(ValueError, match="8000 Hz and the extractor was made for 16000"):
        extractor(torch.zeros(100), 8000, num_frames=2, frame_rate=25)
    with pytest.raises(ValueError, match="mono and not empty"):
        extractor([torch.zeros(2, 100)], num_frames=2, frame_rate=25)
    with pytest.raises(ValueError, match="speech_level is 2"):
        FrameAudioFeatureExtractor(speech_level=2)
