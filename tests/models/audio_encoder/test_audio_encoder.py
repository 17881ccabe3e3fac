"""The audio encoder keeps the shared contract, and reads samples and features alike."""

import pytest
import torch
from model_contract import ModelContract

from heygen_hf.models.audio_encoder import AudioEncoderConfig, AudioEncoderModel
from heygen_hf.processing import AudioFeatureExtractor


class TestAudioEncoder(ModelContract):
    config_class = AudioEncoderConfig
    base_class = AudioEncoderModel
    model_classes = (AudioEncoderModel,)
    has_attention = True

    def tiny_config(self, **overrides):
        values = {"sampling_rate": 1000, "num_mel_bins": 8, "hop_seconds": 0.02, "window_seconds": 0.04}
        return AudioEncoderConfig(
            **(values | {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2} | overrides)
        )

    def inputs(self, model_class):
        generator = torch.Generator().manual_seed(0)
        mask = torch.ones(3, 200, dtype=torch.long)
        mask[1, 130:] = 0
        return {"input_values": torch.randn(3, 200, generator=generator) * 0.3, "attention_mask": mask}

    @torch.no_grad()
    def test_samples_and_features_give_the_same(self):
        model = self.build(AudioEncoderModel, scramble=True)
        inputs = self.inputs(AudioEncoderModel)
        extractor = AudioFeatureExtractor(feature_size=8, sampling_rate=1000, hop_seconds=0.02, window_seconds=0.04)
        recordings = [inputs["input_values"][i, :length] for i, length in enumerate((200, 130, 200))]
        expected = model(**inputs)
        outputs = model(**extractor(recordings))
        torch.testing.assert_close(outputs.last_hidden_state, expected.last_hidden_state, atol=1e-5, rtol=1e-5)
        # Padding is not read: the short one alone
        alone = model(recordings[1][None])
        torch.testing.assert_close(alone.pooler_output[0], expected.pooler_output[1], atol=1e-4, rtol=1e-4)
        assert alone.last_hidden_state.shape[1] == expected.attention_mask[1].sum()

    def test_bad_input(self):
        model = self.build(AudioEncoderModel)
        with pytest.raises(ValueError, match="not both"):
            model()
        with pytest.raises(ValueError, match="num_mel_bins=8"):
            model(input_features=torch.zeros(1, 10, 9))
        with pytest.raises(ValueError, match="expected the frames'"):
            model(input_features=torch.zeros(1, 10, 8), attention_mask=torch.ones(1, 9))
