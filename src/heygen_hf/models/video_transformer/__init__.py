"""The video generation transformer."""

from heygen_hf.models.video_transformer.configuration_video_transformer import CONDITION_NAMES, VideoTransformerConfig
from heygen_hf.models.video_transformer.modeling_video_generation import VideoTransformerForVideoGeneration
from heygen_hf.models.video_transformer.modeling_video_transformer import (
    VideoTransformerModel,
    VideoTransformerOutput,
    VideoTransformerPreTrainedModel,
)
from heygen_hf.models.video_transformer.modeling_video_transformer_cache import VideoTransformerCache
from heygen_hf.models.video_transformer.objective_video_transformer import build_objective

__all__ = [
    "CONDITION_NAMES",
    "VideoTransformerCache",
    "VideoTransformerConfig",
    "VideoTransformerForVideoGeneration",
    "VideoTransformerModel",
    "VideoTransformerOutput",
    "VideoTransformerPreTrainedModel",
    "build_objective",
]
