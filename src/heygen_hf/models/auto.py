"""Every registration with transformers' Auto classes.

Importing any family (or `heygen_hf.models`) runs this file, so `AutoConfig`, `AutoModel` and the others know
the families wherever one of their modules is loaded.
"""

from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoModelForVideoClassification,
    PreTrainedConfig,
)

from heygen_hf.models.conv_video_encoder.configuration_conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.conv_video_encoder.modeling_conv_video_encoder import (
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)
from heygen_hf.models.text_transformer.configuration_text_transformer import TextTransformerConfig
from heygen_hf.models.text_transformer.modeling_text_transformer import (
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
)
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_transformer import VideoTransformerModel
from heygen_hf.processing import VideoProcessor


def _register_processor(config_class: type[PreTrainedConfig]) -> None:
    # One torch-only class under both of transformers' backend names: whichever it prefers on this machine
    # (it looks for torchvision), it finds ours without a warning about a fallback.
    AutoImageProcessor.register(
        config_class,
        image_processor_classes={"pil": VideoProcessor, "torchvision": VideoProcessor},
        exist_ok=True,
    )


AutoConfig.register(VideoTransformerConfig.model_type, VideoTransformerConfig, exist_ok=True)
AutoModel.register(VideoTransformerConfig, VideoTransformerModel, exist_ok=True)
_register_processor(VideoTransformerConfig)

AutoConfig.register(ConvVideoEncoderConfig.model_type, ConvVideoEncoderConfig, exist_ok=True)
AutoModel.register(ConvVideoEncoderConfig, ConvVideoEncoderModel, exist_ok=True)
AutoModelForVideoClassification.register(ConvVideoEncoderConfig, ConvVideoEncoderForVideoClassification, exist_ok=True)
_register_processor(ConvVideoEncoderConfig)

AutoConfig.register(TextTransformerConfig.model_type, TextTransformerConfig, exist_ok=True)
AutoModel.register(TextTransformerConfig, TextTransformerModel, exist_ok=True)
AutoModelForCausalLM.register(TextTransformerConfig, TextTransformerForCausalLM, exist_ok=True)
AutoModelForSequenceClassification.register(
    TextTransformerConfig, TextTransformerForSequenceClassification, exist_ok=True
)
AutoModelForTokenClassification.register(TextTransformerConfig, TextTransformerForTokenClassification, exist_ok=True)
