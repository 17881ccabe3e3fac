"""The model families. Importing this registers all of them with transformers' Auto classes."""

from heygen_hf.models import auto  # noqa: F401 (imported for its registrations)
from heygen_hf.models.conv_video_encoder import (
    ConvVideoEncoderConfig,
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)
from heygen_hf.models.video_transformer import (
    VideoTransformerConfig,
    VideoTransformerForVideoGeneration,
    VideoTransformerModel,
)

__all__ = [
    "ConvVideoEncoderConfig",
    "ConvVideoEncoderForVideoClassification",
    "ConvVideoEncoderModel",
    "VideoTransformerConfig",
    "VideoTransformerForVideoGeneration",
    "VideoTransformerModel",
]
