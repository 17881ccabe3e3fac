"""Every registration with transformers' Auto classes.

Importing any family (or `heygen_hf.models`) runs this file, so `AutoConfig`, `AutoModel` and the others know
the families wherever one of their modules is loaded.
"""

from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoImageProcessor,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoModelForVideoClassification,
    AutoModelForVisualQuestionAnswering,
    AutoModelForZeroShotImageClassification,
    PreTrainedConfig,
)

from heygen_hf.models.audio_encoder.configuration_audio_encoder import AudioEncoderConfig
from heygen_hf.models.audio_encoder.modeling_audio_encoder import AudioEncoderModel
from heygen_hf.models.conv_video_encoder.configuration_conv_video_encoder import ConvVideoEncoderConfig
from heygen_hf.models.conv_video_encoder.modeling_conv_video_encoder import (
    ConvVideoEncoderForVideoClassification,
    ConvVideoEncoderModel,
)
from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.modeling_multimodal_captioning import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForQuestionAnswering,
)
from heygen_hf.models.multimodal_fusion.modeling_multimodal_classification import MultimodalFusionForClassification
from heygen_hf.models.multimodal_fusion.modeling_multimodal_contrastive import MultimodalFusionForContrastiveLearning
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import MultimodalFusionModel
from heygen_hf.models.text_transformer.configuration_text_transformer import TextTransformerConfig
from heygen_hf.models.text_transformer.modeling_text_transformer import (
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
)
from heygen_hf.models.video_discriminator.configuration_video_discriminator import VideoDiscriminatorConfig
from heygen_hf.models.video_discriminator.modeling_video_discriminator import VideoDiscriminatorModel
from heygen_hf.models.video_transformer.configuration_video_transformer import VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_transformer import VideoTransformerModel
from heygen_hf.processing import AudioFeatureExtractor, VideoProcessor


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

AutoConfig.register(VideoDiscriminatorConfig.model_type, VideoDiscriminatorConfig, exist_ok=True)
AutoModel.register(VideoDiscriminatorConfig, VideoDiscriminatorModel, exist_ok=True)

AutoConfig.register(MultimodalFusionConfig.model_type, MultimodalFusionConfig, exist_ok=True)
AutoModel.register(MultimodalFusionConfig, MultimodalFusionModel, exist_ok=True)
AutoModelForVideoClassification.register(MultimodalFusionConfig, MultimodalFusionForClassification, exist_ok=True)
AutoModelForVisualQuestionAnswering.register(
    MultimodalFusionConfig, MultimodalFusionForQuestionAnswering, exist_ok=True
)
AutoModelForMultimodalLM.register(MultimodalFusionConfig, MultimodalFusionForCaptioning, exist_ok=True)
AutoModelForZeroShotImageClassification.register(
    MultimodalFusionConfig, MultimodalFusionForContrastiveLearning, exist_ok=True
)
_register_processor(MultimodalFusionConfig)
AutoFeatureExtractor.register(MultimodalFusionConfig, AudioFeatureExtractor, exist_ok=True)

AutoConfig.register(AudioEncoderConfig.model_type, AudioEncoderConfig, exist_ok=True)
AutoModel.register(AudioEncoderConfig, AudioEncoderModel, exist_ok=True)
AutoFeatureExtractor.register(AudioEncoderConfig, AudioFeatureExtractor, exist_ok=True)
