"""What networks see in clips: video and image features, and those that share a space with texts."""

from heygen_hf.evaluation.features.embedded import embedded_image_features, embedded_video_features
from heygen_hf.evaluation.features.i3d import InceptionI3D, load_i3d
from heygen_hf.evaluation.features.loading import (
    content_debiased_features,
    i3d_features,
    load_image_features,
    load_video_features,
)
from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing
from heygen_hf.evaluation.features.text_video import TextVideoFeatures, load_text_video_features
from heygen_hf.evaluation.features.video_features import VideoFeatures

__all__ = [
    "FeaturePreprocessing",
    "InceptionI3D",
    "TextVideoFeatures",
    "VideoFeatures",
    "content_debiased_features",
    "embedded_image_features",
    "embedded_video_features",
    "i3d_features",
    "load_i3d",
    "load_image_features",
    "load_text_video_features",
    "load_video_features",
]
