"""Feature networks by name: the embedded one, a file of I3D's weights, or any encoder from a folder or the Hub."""

import json
import os
from pathlib import Path
from typing import Any

import torch

from heygen_hf.evaluation.features.embedded import embedded_image_features, embedded_video_features
from heygen_hf.evaluation.features.i3d import MIN_FRAMES, load_i3d
from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing, FrameChoice
from heygen_hf.evaluation.features.video_features import Pooling, VideoFeatures

EMBEDDED = "embedded"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_WEIGHT_SUFFIXES = {".safetensors", ".pt", ".pth", ".bin"}
_PREPROCESSOR_FILES = ("video_preprocessor_config.json", "preprocessor_config.json", "processor_config.json")

Device = str | torch.device | None


def load_video_features(
    source: str | os.PathLike[str] = EMBEDDED,
    *,
    pooling: Pooling = "auto",
    num_frames: int | None = None,
    frame_stride: int = 1,
    frame_choice: FrameChoice = "first",
    size: tuple[int, int] | None = None,
    normalize: bool = True,
    revision: str | None = None,
    device: Device = None,
) -> VideoFeatures:
    """Features of whole clips.

    Args:
        source: `"embedded"`; a `.safetensors` or `.pt` file of I3D's weights; or the folder or Hub name of a video
            encoder of transformers (VideoMAE, V-JEPA 2, a `ConvVideoEncoder` or a run's judge …).
        pooling: see `VideoFeatures`.
        num_frames, frame_stride, frame_choice: which frames; by default as many as the encoder was made for, or all.
        size: `(height, width)`; by default the encoder's own.
        normalize: with the mean and deviation that lie beside the encoder; False leaves pixels in [0, 1].
        revision: branch, tag or commit on the Hub.

    Raises:
        ValueError: nothing loads from there.
    """
    if str(source) == EMBEDDED:
        return embedded_video_features(num_frames=num_frames, frame_stride=frame_stride, device=device)
    if Path(source).suffix in _WEIGHT_SUFFIXES:
        return i3d_features(source, num_frames=num_frames, frame_stride=frame_stride, device=device)
    network, config, is_own = _load_network(source, pooling=pooling, revision=revision)
    described = _read_preprocessor(source, revision)
    made_for = getattr(config, "num_frames", None) or getattr(config, "frames_per_clip", None)
    height, width = size or _size(config, described)
    preprocessing = FeaturePreprocessing(
        height=height,
        width=width,
        num_frames=num_frames or made_for,
        frame_stride=frame_stride,
        frame_choice=frame_choice,
        **_normalization(described, normalize=normalize, is_own=is_own),
    )
    return VideoFeatures(network, name=_label(source), preprocessing=preprocessing, pooling=pooling, device=device)


def load_image_features(
    source: str | os.PathLike[str] = EMBEDDED,
    *,
    pooling: Pooling = "auto",
    num_frames: int | None = None,
    frame_stride: int = 1,
    size: tuple[int, int] | None = None,
    normalize: bool = True,
    revision: str | None = None,
    device: Device = None,
) -> VideoFeatures:
    """Features of each frame, by `"embedded"` or any image encoder (ViT, DINO, CLIP …); the options are those of
    `load_video_features`, and `num_frames` are spread evenly over the clip."""
    if str(source) == EMBEDDED:
        return embedded_image_features(num_frames=num_frames, frame_stride=frame_stride, device=device)
    network, config, is_own = _load_network(source, pooling=pooling, revision=revision)
    if pooling == "auto" and hasattr(network, "get_image_features"):
        pooling = "image_embeds"
    described = _read_preprocessor(source, revision)
    height, width = size or _size(config, described)
    preprocessing = FeaturePreprocessing(
        height=height,
        width=width,
        num_frames=num_frames,
        frame_stride=frame_stride,
        frame_choice="first" if num_frames is None else "even",
        layout="single_frame_clips" if is_own else "images",
        **_normalization(described, normalize=normalize, is_own=is_own),
    )
    return VideoFeatures(network, name=_label(source), preprocessing=preprocessing, pooling=pooling, device=device)


def i3d_features(
    source: str | os.PathLike[str], *, num_frames: int | None = None, frame_stride: int = 1, device: Device = None
) -> VideoFeatures:
    """I3D's 400 logits before the softmax, of clips of at least 10 frames, resized to 224x224, in [-1, 1].

    Unterthiner et al. 2018, arXiv:1812.01717. Bilinear without antialiasing, as in the first implementation.
    """
    return VideoFeatures(
        load_i3d(source),
        name=f"I3D ({_label(source)})",
        preprocessing=FeaturePreprocessing(
            height=224,
            width=224,
            antialias=False,
            value_range=(-1.0, 1.0),
            num_frames=num_frames,
            frame_stride=frame_stride,
            layout="channels_first",
        ),
        min_frames=MIN_FRAMES,
        device=device,
    )


def content_debiased_features(
    source: str | os.PathLike[str], *, revision: str | None = None, device: Device = None
) -> VideoFeatures:
    """The convention of content-debiased FVD with a VideoMAE: 16 frames of 224x224, bilinear, pixels in [0, 1] without
    ImageNet's normalisation, the mean over tokens.

    Ge et al. 2024, arXiv:2404.12391, used VideoMAE-v2 ViT-g (1408 features); a smaller VideoMAE gives other figures.
    """
    network, _, _ = _load_network(source, pooling="mean_tokens", revision=revision)
    size = getattr(network.config, "image_size", 224)
    return VideoFeatures(
        network,
        name=_label(source),
        preprocessing=FeaturePreprocessing(
            height=size,
            width=size,
            antialias=False,
            num_frames=getattr(network.config, "num_frames", 16),
        ),
        pooling="mean_tokens",
        device=device,
    )


def _load_network(
    source: str | os.PathLike[str], *, pooling: Pooling, revision: str | None, whole: bool = False
) -> tuple[torch.nn.Module, Any, bool]:
    """A network of transformers, its configuration, and whether it is one of ours, which take [-1, 1]."""
    from transformers import AutoConfig, AutoModel, AutoModelForImageClassification, AutoModelForVideoClassification

    import heygen_hf.models  # registers our own networks

    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        loader: Any = AutoModel
        if pooling in ("logits", "attentive"):
            is_video = type(config) in AutoModelForVideoClassification._model_mapping
            loader = AutoModelForVideoClassification if is_video else AutoModelForImageClassification
        elif whole:
            loader = getattr(heygen_hf.models, (config.architectures or [""])[0], AutoModel)
        network, report = loader.from_pretrained(
            source, revision=revision, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"no features load from {source} ({first_line}); give 'embedded', a folder, a Hub name, or I3D's weights"
        ) from error
    _refuse_random_weights(source, report, pooling)
    return network, config, type(network).__module__.startswith("heygen_hf.")


def _refuse_random_weights(source: str | os.PathLike[str], report: dict[str, Any], pooling: Pooling) -> None:
    """What a checkpoint lacks is drawn at random while it loads, and a figure seen through it means nothing."""
    missing = sorted([*report["missing_keys"], *(str(each[0]) for each in report["mismatched_keys"])])
    if pooling in ("mean_tokens", "first_token"):  # which do not ask the pooler
        missing = [name for name in missing if not name.startswith("pooler.")]
    if missing:
        is_pooler = all(name.startswith("pooler.") for name in missing)
        remedy = "choose pooling='first_token' or 'mean_tokens'" if is_pooler else "give a checkpoint that has them"
        raise ValueError(f"{source} has no trained weights for {missing[0]}, which would be random; {remedy}")


def _read_preprocessor(source: str | os.PathLike[str], revision: str | None) -> dict[str, Any]:
    """What lies beside an encoder about its pixels. Read as JSON: the processors' classes need torchvision."""
    from transformers.utils import cached_file

    for name in _PREPROCESSOR_FILES:
        path = cached_file(
            str(source),
            name,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        if path is not None:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            found = found.get("video_processor") or found.get("image_processor") or found
            if isinstance(found, dict) and ("image_mean" in found or "size" in found or "crop_size" in found):
                return found
    return {}


def _size(config: Any, described: dict[str, Any]) -> tuple[int | None, int | None]:
    # what the network was made for stands before what its processor scales to first
    for found in (
        getattr(config, "image_size", None),
        getattr(getattr(config, "vision_config", None), "image_size", None),
        getattr(config, "crop_size", None),
        described.get("crop_size"),
        described.get("size"),
    ):
        if isinstance(found, int):
            return found, found
        if isinstance(found, list | tuple) and len(found) == 2:
            return int(found[0]), int(found[1])
        if isinstance(found, dict) and "height" in found and "width" in found:
            return int(found["height"]), int(found["width"])
        if isinstance(found, dict) and "shortest_edge" in found:
            return int(found["shortest_edge"]), int(found["shortest_edge"])
    return None, None


def _normalization(described: dict[str, Any], *, normalize: bool, is_own: bool) -> dict[str, Any]:
    if is_own:
        return {"value_range": (-1.0, 1.0)}
    if not normalize:
        return {}
    mean, std = described.get("image_mean") or IMAGENET_MEAN, described.get("image_std") or IMAGENET_STD
    return {"mean": tuple(float(value) for value in mean), "std": tuple(float(value) for value in std)}


def _label(source: str | os.PathLike[str]) -> str:
    """A Hub name as it is, and of a path its last part: paths say nothing to others."""
    text = str(source)
    is_path = Path(text).exists() or text.count("/") != 1
    return Path(text).name if is_path else text
