"""The model families. Importing this registers all of them with transformers' Auto classes."""

from heygen_hf.models import auto  # noqa: F401 (imported for its registrations)
from heygen_hf.models.audio_encoder import (
    AudioEncoderConfig,
    AudioEncoderModel,
)
from heygen_hf.models.conv_video_encoder import (
    ConvVideoEncoderConfig,
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)
from heygen_hf.models.multimodal_fusion import (
    MultimodalFusionConfig,
    MultimodalFusionForCaptioning,
    MultimodalFusionForClassification,
    MultimodalFusionForContrastiveLearning,
    MultimodalFusionForQuestionAnswering,
    MultimodalFusionModel,
)
from heygen_hf.models.text_transformer import (
    TextTransformerConfig,
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
)
from heygen_hf.models.video_discriminator import (
    VideoDiscriminatorConfig,
    VideoDiscriminatorModel,
)
from heygen_hf.models.video_transformer import (
    VideoTransformerConfig,
    VideoTransformerForVideoGeneration,
    VideoTransformerModel,
)

__all__ = [
    "AudioEncoderConfig",
    "AudioEncoderModel",
    "ConvVideoEncoderConfig",
    "ConvVideoEncoderForVideoClassification",
    "ConvVideoEncoderModel",
    "MultimodalFusionConfig",
    "MultimodalFusionForCaptioning",
    "MultimodalFusionForClassification",
    "MultimodalFusionForContrastiveLearning",
    "MultimodalFusionForQuestionAnswering",
    "MultimodalFusionModel",
    "TextTransformerConfig",
    "TextTransformerForCausalLM",
    "TextTransformerForSequenceClassification",
    "TextTransformerForTokenClassification",
    "TextTransformerModel",
    "VideoDiscriminatorConfig",
    "VideoDiscriminatorModel",
    "VideoTransformerConfig",
    "VideoTransformerForVideoGeneration",
    "VideoTransformerModel",
]
