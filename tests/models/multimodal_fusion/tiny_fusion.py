"""Tiny fusion networks: a text transformer, a convolutional video encoder and an audio encoder inside."""

import torch
from transformers import VideoMAEConfig

from heygen_hf.models.audio_encoder import AudioEncoderConfig
from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.text_transformer import TextTransformerConfig

VOCABULARY = 24
# for encoders of transformers
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
VIDEOMAE = VideoMAEConfig(image_size=16, patch_size=8, num_frames=4, **SMALL)


def text_config(**overrides: object) -> TextTransformerConfig:
    values = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    return TextTransformerConfig(**(values | {"is_causal": False, "pad_token_id": 0} | overrides))


def video_config() -> ConvVideoEncoderConfig:
    return ConvVideoEncoderConfig(hidden_sizes=(8, 16), strides=((1, 2), (2, 2)))


def audio_config() -> AudioEncoderConfig:
    return AudioEncoderConfig(
        sampling_rate=1000,
        num_mel_bins=8,
        hop_seconds=0.02,
        window_seconds=0.04,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
    )


def build_config(**overrides: object) -> MultimodalFusionConfig:
    values = {
        "text_config": text_config(),
        "video_config": video_config(),
        "audio_config": audio_config(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_size": 16,
        "num_bottleneck_tokens": 3,
        "num_labels": 3,
    }
    return MultimodalFusionConfig(**(values | overrides))


def decoder_config(**overrides: object) -> TextTransformerConfig:
    return text_config(**({"is_causal": True, "eos_token_id": 1} | overrides))


def build_inputs(batch: int = 3) -> dict[str, torch.Tensor]:
    """Three modalities; the second sample has a shorter text and a shorter recording."""
    generator = torch.Generator().manual_seed(0)
    attention_mask = torch.ones(batch, 6, dtype=torch.long)
    attention_mask[1, 4:] = 0
    audio_attention_mask = torch.ones(batch, 200, dtype=torch.long)
    audio_attention_mask[1, 130:] = 0
    return {
        "input_ids": torch.randint(2, VOCABULARY, (batch, 6), generator=generator),
        "attention_mask": attention_mask,
        "pixel_values": torch.randn(batch, 4, 3, 16, 16, generator=generator),
        "pixel_mask": torch.ones(batch, dtype=torch.bool),
        "audio_values": torch.randn(batch, 200, generator=generator) * 0.3,
        "audio_attention_mask": audio_attention_mask,
    }
