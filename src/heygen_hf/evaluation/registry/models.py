"""The networks that metrics look through."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from heygen_hf.evaluation.clip_figures.motion import FlowEstimator
from heygen_hf.evaluation.clip_figures.temporal import Interpolator
from heygen_hf.evaluation.features import (
    TextVideoFeatures,
    VideoFeatures,
    content_debiased_features,
    load_image_features,
    load_text_video_features,
    load_video_features,
)
from heygen_hf.evaluation.registry.audio_averages import PictureSignal

Source = str | os.PathLike[str]


@dataclass(kw_only=True)
class MetricModels:
    """The networks, each as an object or as what its loader takes (a folder, a Hub name, a file of weights).

    They are loaded when a metric first asks for them, and metrics that name the same share it.

    Attributes:
        video_features: of FVD, and of JEDi where it has none of its own.
        image_features: of FID, subject and temporal consistency and identity similarity.
        jedi_features: of JEDi: a V-JEPA 2 classifier, of which the attentive pooler is taken.
        debiased_features: of content-debiased FVD: a VideoMAE.
        classifier: of the Inception Score: its logits. There is no default, because random classes mean nothing.
        text_video_features: of the CLIP score: CLIP or a like network. There is no default for the same reason.
        identity_features: of identity similarity: a network of faces; `image_features` where there is none.
        perceptual_network: of the perceptual distance: a network of images that gives maps, such as VGG-16
            (`heygen_hf.losses.load_vgg16_features`), which gets pixels normalised as ImageNet's.
        interpolate: of motion smoothness.
        estimate_flow: of the dynamic degree.
        picture_signal: of audio-video sync; by default how far the mouth of a drawn face is open.
        device: where what is loaded here runs.
        num_frames: that video features look at; by default all, or what the network was made for.
        frames_per_clip: that FID takes of each clip, spread evenly.
    """

    video_features: VideoFeatures | Source = "embedded"
    image_features: VideoFeatures | Source = "embedded"
    jedi_features: VideoFeatures | Source | None = None
    debiased_features: VideoFeatures | Source | None = None
    classifier: VideoFeatures | Source | None = None
    text_video_features: TextVideoFeatures | Source | None = None
    identity_features: VideoFeatures | Source | None = None
    perceptual_network: nn.Module | None = None
    interpolate: Interpolator | None = None
    estimate_flow: FlowEstimator | None = None
    picture_signal: PictureSignal | None = None
    device: str | torch.device | None = None
    num_frames: int | None = None
    frames_per_clip: int = 8
    _loaded: dict[Any, Any] = field(default_factory=dict, repr=False)

    def video(self) -> VideoFeatures:
        return self._get("video", self.video_features, load_video_features, num_frames=self.num_frames)

    def images(self, *, num_frames: int | None = None) -> VideoFeatures:
        """Of all frames, or of so many; a network given as an object looks at what it looks at."""
        return self._get("images", self.image_features, load_image_features, num_frames=num_frames)

    def jedi(self) -> VideoFeatures:
        if self.jedi_features is None:
            return self.video()
        return self._get("jedi", self.jedi_features, load_video_features, pooling="attentive")

    def debiased(self) -> VideoFeatures:
        if self.debiased_features is None:
            raise _missing("content_debiased_fvd", "a VideoMAE", "debiased_features")
        return self._get("debiased", self.debiased_features, content_debiased_features)

    def classes(self) -> VideoFeatures:
        if self.classifier is None:
            raise _missing("is", "a classifier of videos, such as a run's judge", "classifier")
        return self._get("classes", self.classifier, load_video_features, pooling="logits", num_frames=self.num_frames)

    def texts(self) -> TextVideoFeatures:
        if self.text_video_features is None:
            raise _missing(
                "clip_score", "CLIP or a like model, such as openai/clip-vit-base-patch32", "text_video_features"
            )
        return self._get("texts", self.text_video_features, load_text_video_features)

    def identities(self) -> VideoFeatures:
        if self.identity_features is None:
            return self.images()
        return self._get("images", self.identity_features, load_image_features, num_frames=None)

    def _get(self, kind: str, given: Any, load: Callable[..., Any], **options: Any) -> Any:
        if not isinstance(given, str | os.PathLike):
            return given
        key = (kind, str(given), *sorted(options.items()))
        if key not in self._loaded:
            self._loaded[key] = load(given, **options, device=self.device)
        return self._loaded[key]


def _missing(metric: str, what: str, option: str) -> ValueError:
    return ValueError(f"{metric} needs {what}: give {option}, or leave the metric out")
