"""Text, video and audio fused, with heads that compare, classify, answer and describe."""

from heygen_hf.models.multimodal_fusion.checks_multimodal_fusion import check_no_empty_modality
from heygen_hf.models.multimodal_fusion.configuration_multimodal_fusion import MultimodalFusionConfig
from heygen_hf.models.multimodal_fusion.modeling_multimodal_captioning import (
    MultimodalFusionForCaptioning,
    MultimodalFusionForQuestionAnswering,
    MultimodalTextOutput,
)
from heygen_hf.models.multimodal_fusion.modeling_multimodal_classification import (
    MultimodalClassifierOutput,
    MultimodalFusionForClassification,
)
from heygen_hf.models.multimodal_fusion.modeling_multimodal_contrastive import (
    MultimodalContrastiveOutput,
    MultimodalFusionForContrastiveLearning,
)
from heygen_hf.models.multimodal_fusion.modeling_multimodal_fusion import (
    MultimodalFusionModel,
    MultimodalFusionOutput,
    MultimodalFusionPreTrainedModel,
)

__all__ = [
    "MultimodalClassifierOutput",
    "MultimodalContrastiveOutput",
    "MultimodalFusionConfig",
    "MultimodalFusionForCaptioning",
    "MultimodalFusionForClassification",
    "MultimodalFusionForContrastiveLearning",
    "MultimodalFusionForQuestionAnswering",
    "MultimodalFusionModel",
    "MultimodalFusionOutput",
    "MultimodalFusionPreTrainedModel",
    "MultimodalTextOutput",
    "check_no_empty_modality",
]
