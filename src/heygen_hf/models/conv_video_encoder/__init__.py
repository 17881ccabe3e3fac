"""Convolutional video encoder."""

from heygen_hf.models.conv_video_encoder.configuration_conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.conv_video_encoder.modeling_conv_video_encoder import (
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
    VideoClassifierOutput,
)

__all__ = [
    "ConvVideoEncoderConfig",
    "ConvVideoEncoderForVideoClassification",
    "ConvVideoEncoderModel",
    "VideoClassifierOutput",
]
