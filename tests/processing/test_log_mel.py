"""The log-mel front end: where the energy is, that padding adds nothing, and the extractor that is saved."""

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor
from transformers.audio_utils import mel_filter_bank

import heygen_hf.models  # noqa: F401 (registers with the Auto classes)
from heygen_hf.models.audio_encoder import AudioEncoderConfig
from heygen_hf.processing import AudioFeatureExtractor
from heygen_hf.processing.log_mel import log_mel_spectrogram, mel_filters

RATE = 8000


def _tone(frequency: float, seconds: float = 0.25) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * frequency * torch.arange(int(seconds * RATE)) / RATE)


def test_filters_are_transformers_own():
    expected = mel_filter_bank(
        num_frequency_bins=129, num_mel_filters=24, min_frequency=20.0, max_frequency=3800.0, sampling_rate=RATE,
        mel_scale="htk",
    )  # fmt: skip
    filters = mel_filters(24, fft_size=256, sampling_rate=RATE, min_frequency=20.0, max_frequency=3800.0)
    np.testing.assert_allclose(filters.numpy(), expected, atol=1e-4)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 3000.0])
def test_a_tone_is_loudest_in_its_band(frequency):
    features, mask = log_mel_spectrogram(_tone(frequency)[None], sampling_rate=RATE, num_mel_bins=40, normalize="none")
    assert features.shape == (1, 25, 40)
    assert mask.all()
    filters = mel_filters(40, fft_size=256, sampling_rate=RATE, min_frequency=20.0)
    band = filters[round(frequency / RATE * 256)].argmax().item()
    assert (features[0, 2:-2].argmax(-1) - band).abs().max() <= 1


def test_loudness_moves_the_logarithm_and_normalisation_takes_it_out():
    torch.manual_seed(0)
    noise = torch.randn(1, 2000) * 0.1
    options = {"sampling_rate": RATE, "num_mel_bins": 16}
    quiet, loud = (log_mel_spectrogram(noise * gain, **options, normalize="none")[0] for gain in (1, 4))
    torch.testing.assert_close(loud - quiet, torch.full_like(quiet, 2 * np.log(4)), atol=1e-2, rtol=0)
    quiet, loud = (log_mel_spectrogram(noise * gain, **options)[0] for gain in (1, 4))
    torch.testing.assert_close(loud, quiet, atol=1e-2, rtol=0)
    torch.testing.assert_close(quiet.mean(1), torch.zeros(1, 16), atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", [1, 79, 80, 81, 1234])
def test_padding_adds_nothing(length):
    torch.manual_seed(0)
    sound = torch.randn(length) * 0.3
    alone, _ = log_mel_spectrogram(sound[None], sampling_rate=RATE)
    padded = torch.full((2, 2000), torch.nan)
    padded[:, :length] = sound
    mask = torch.zeros(2, 2000)
    mask[:, :length] = 1
    batched, frame_mask = log_mel_spectrogram(padded, mask, sampling_rate=RATE)
    frames = -(-length // 80)
    assert frame_mask.sum(1).tolist() == [frames, frames]
    torch.testing.assert_close(batched[0, :frames], alone[0], atol=1e-4, rtol=1e-4)
    assert not batched[:, frames:].any()


def test_gradients_reach_the_sound_and_autocast_changes_nothing():
    sound = _tone(440.0)[None].requires_grad_()
    features, _ = log_mel_spectrogram(sound, sampling_rate=RATE)
    features.square().sum().backward()
    assert torch.isfinite(sound.grad).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_mel_spectrogram(sound, sampling_rate=RATE)[0], features)


def test_extractor_pads_saves_and_loads(tmp_path):
    extractor = AudioFeatureExtractor(feature_size=20, sampling_rate=RATE, max_frequency=3500.0)
    recordings = [_tone(500.0, 0.2), _tone(900.0, 0.1).numpy(), _tone(900.0, 0.1).tolist()]
    batch = extractor(recordings, sampling_rate=RATE)
    assert batch["input_features"].shape == (3, 20, 20)
    assert batch["attention_mask"].sum(1).tolist() == [20, 10, 10]
    torch.testing.assert_close(batch["input_features"][1], batch["input_features"][2])
    extractor.save_pretrained(tmp_path)
    AudioEncoderConfig(sampling_rate=RATE).save_pretrained(tmp_path)
    loaded = AutoFeatureExtractor.from_pretrained(tmp_path)
    assert type(loaded) is AudioFeatureExtractor
    assert loaded.to_dict() == extractor.to_dict()
    assert torch.equal(loaded(recordings)["input_features"], batch["input_features"])
    samples = AudioFeatureExtractor(sampling_rate=RATE, output="samples")(recordings)
    assert samples["input_values"].shape == samples["attention_mask"].shape == (3, 1600)


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (_tone(500.0), {"sampling_rate": 16_000}, "16000 Hz and the extractor was made for 8000"),
        ([torch.zeros(100, dtype=torch.int16)], {}, "expected floats"),
        ([torch.zeros(2, 100)], {}, "mono"),
        ([torch.zeros(0)], {}, "not empty"),
        ([], {}, "at least one"),
    ],
)
def test_bad_recordings(audio, options, message):
    with pytest.raises(ValueError, match=message):
        AudioFeatureExtractor(sampling_rate=RATE)(audio, **options)


def test_bad_fields():
    with pytest.raises(ValueError, match="normalize is 'batch'"):
        AudioFeatureExtractor(normalize="batch")
    with pytest.raises(ValueError, match="within \\[0, 4000"):
        mel_filters(8, fft_size=256, sampling_rate=RATE, max_frequency=5000.0)
