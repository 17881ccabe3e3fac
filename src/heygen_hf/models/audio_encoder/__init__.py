"""The audio encoder: log-mel features, two convolutions, a small transformer."""

from heygen_hf.models.audio_encoder.configuration_audio_encoder import AudioEncoderConfig
from heygen_hf.models.audio_encoder.modeling_audio_encoder import (
    AudioEncoderModel,
    AudioEncoderOutput,
    AudioEncoderPreTrainedModel,
)

__all__ = ["AudioEncoderConfig", "AudioEncoderModel", "AudioEncoderOutput", "AudioEncoderPreTrainedModel"]
