"""Train, evaluate and publish video generators with the Hugging Face tools you already know.

The names below are loaded on first use (PEP 562): `import heygen_hf` costs nothing and does not import torch.

transformers' Auto classes know the families of this package once `heygen_hf.models` is imported. Taking a
model, pipeline, trainer or processor from here does that; a program that uses Auto classes alone says so::

    import heygen_hf.models
    from transformers import AutoModel

    model = AutoModel.from_pretrained("outputs/moving_digits", subfolder="transformer")
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heygen_hf.data import VideoAugmentation as VideoAugmentation
    from heygen_hf.data import VideoTextCollator as VideoTextCollator
    from heygen_hf.data import build_tokenizer as build_tokenizer
    from heygen_hf.data import load_video_dataset as load_video_dataset
    from heygen_hf.data import open_video_shards as open_video_shards
    from heygen_hf.data import prepare_clips as prepare_clips
    from heygen_hf.data import render_moving_digits as render_moving_digits
    from heygen_hf.evaluation import attribute_accuracy as attribute_accuracy
    from heygen_hf.losses import CombinedLoss as CombinedLoss
    from heygen_hf.losses import DiceLoss as DiceLoss
    from heygen_hf.losses import FocalLoss as FocalLoss
    from heygen_hf.losses import MultimodalLoss as MultimodalLoss
    from heygen_hf.losses import PerceptualLoss as PerceptualLoss
    from heygen_hf.losses import TextProcessingLoss as TextProcessingLoss
    from heygen_hf.losses import VideoGenerationLoss as VideoGenerationLoss
    from heygen_hf.models.audio_encoder import AudioEncoderConfig as AudioEncoderConfig
    from heygen_hf.models.audio_encoder import AudioEncoderModel as AudioEncoderModel
    from heygen_hf.models.conv_video_encoder import ConvVideoEncoderConfig as ConvVideoEncoderConfig
    from heygen_hf.models.conv_video_encoder import (
        ConvVideoEncoderForVideoClassification as ConvVideoEncoderForVideoClassification,
    )
    from heygen_hf.models.conv_video_encoder import ConvVideoEncoderModel as ConvVideoEncoderModel
    from heygen_hf.models.multimodal_fusion import MultimodalFusionConfig as MultimodalFusionConfig
    from heygen_hf.models.multimodal_fusion import MultimodalFusionForCaptioning as MultimodalFusionForCaptioning
    from heygen_hf.models.multimodal_fusion import (
        MultimodalFusionForClassification as MultimodalFusionForClassification,
    )
    from heygen_hf.models.multimodal_fusion import (
        MultimodalFusionForContrastiveLearning as MultimodalFusionForContrastiveLearning,
    )
    from heygen_hf.models.multimodal_fusion import (
        MultimodalFusionForQuestionAnswering as MultimodalFusionForQuestionAnswering,
    )
    from heygen_hf.models.multimodal_fusion import MultimodalFusionModel as MultimodalFusionModel
    from heygen_hf.models.text_transformer import TextTransformerConfig as TextTransformerConfig
    from heygen_hf.models.text_transformer import TextTransformerForCausalLM as TextTransformerForCausalLM
    from heygen_hf.models.text_transformer import (
        TextTransformerForSequenceClassification as TextTransformerForSequenceClassification,
    )
    from heygen_hf.models.text_transformer import (
        TextTransformerForTokenClassification as TextTransformerForTokenClassification,
    )
    from heygen_hf.models.text_transformer import TextTransformerModel as TextTransformerModel
    from heygen_hf.models.video_discriminator import VideoDiscriminatorConfig as VideoDiscriminatorConfig
    from heygen_hf.models.video_discriminator import VideoDiscriminatorModel as VideoDiscriminatorModel
    from heygen_hf.models.video_transformer import VideoTransformerConfig as VideoTransformerConfig
    from heygen_hf.models.video_transformer import (
        VideoTransformerForVideoGeneration as VideoTransformerForVideoGeneration,
    )
    from heygen_hf.models.video_transformer import VideoTransformerModel as VideoTransformerModel
    from heygen_hf.pipelines import VideoGenerationPipeline as VideoGenerationPipeline
    from heygen_hf.processing import AudioFeatureExtractor as AudioFeatureExtractor
    from heygen_hf.processing import FrameAudioFeatureExtractor as FrameAudioFeatureExtractor
    from heygen_hf.processing import VideoProcessor as VideoProcessor
    from heygen_hf.training import DistillationTrainer as DistillationTrainer
    from heygen_hf.training import DistillationTrainingArguments as DistillationTrainingArguments
    from heygen_hf.training import SupervisedTrainer as SupervisedTrainer
    from heygen_hf.training import SupervisedTrainingArguments as SupervisedTrainingArguments
    from heygen_hf.training import VideoAutoencoderTrainer as VideoAutoencoderTrainer
    from heygen_hf.training import VideoAutoencoderTrainingArguments as VideoAutoencoderTrainingArguments
    from heygen_hf.training import VideoGenerationTrainer as VideoGenerationTrainer
    from heygen_hf.training import VideoGenerationTrainingArguments as VideoGenerationTrainingArguments

__version__ = "0.1.0"

# room -> its names here
_ROOMS: dict[str, tuple[str, ...]] = {
    "heygen_hf.models.video_transformer": (
        "VideoTransformerConfig",
        "VideoTransformerModel",
        "VideoTransformerForVideoGeneration",
    ),
    "heygen_hf.models.conv_video_encoder": (
        "ConvVideoEncoderConfig",
        "ConvVideoEncoderModel",
        "ConvVideoEncoderForVideoClassification",
    ),
    "heygen_hf.models.audio_encoder": (
        "AudioEncoderConfig",
        "AudioEncoderModel",
    ),
    "heygen_hf.models.multimodal_fusion": (
        "MultimodalFusionConfig",
        "MultimodalFusionForCaptioning",
        "MultimodalFusionForClassification",
        "MultimodalFusionForContrastiveLearning",
        "MultimodalFusionForQuestionAnswering",
        "MultimodalFusionModel",
    ),
    "heygen_hf.models.text_transformer": (
        "TextTransformerConfig",
        "TextTransformerForCausalLM",
        "TextTransformerForSequenceClassification",
        "TextTransformerForTokenClassification",
        "TextTransformerModel",
    ),
    "heygen_hf.models.video_discriminator": (
        "VideoDiscriminatorConfig",
        "VideoDiscriminatorModel",
    ),
    "heygen_hf.losses": (
        "CombinedLoss",
        "DiceLoss",
        "FocalLoss",
        "MultimodalLoss",
        "PerceptualLoss",
        "TextProcessingLoss",
        "VideoGenerationLoss",
    ),
    "heygen_hf.pipelines": ("VideoGenerationPipeline",),
    "heygen_hf.training": (
        "DistillationTrainer",
        "DistillationTrainingArguments",
        "SupervisedTrainer",
        "SupervisedTrainingArguments",
        "VideoAutoencoderTrainer",
        "VideoAutoencoderTrainingArguments",
        "VideoGenerationTrainer",
        "VideoGenerationTrainingArguments",
    ),
    "heygen_hf.processing": ("VideoProcessor", "AudioFeatureExtractor", "FrameAudioFeatureExtractor"),
    "heygen_hf.data": (
        "load_video_dataset",
        "open_video_shards",
        "prepare_clips",
        "render_moving_digits",
        "build_tokenizer",
        "VideoAugmentation",
        "VideoTextCollator",
    ),
    "heygen_hf.evaluation": ("attribute_accuracy",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_ROOM_OF)]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _ROOM_OF[name] != "heygen_hf.data":  # rendering or reading data needs no model
        importlib.import_module("heygen_hf.models.auto")
    value = getattr(importlib.import_module(_ROOM_OF[name]), name)
    globals()[name] = value  # the next access does not come through here
    return value


def __dir__() -> list[str]:
    return __all__
