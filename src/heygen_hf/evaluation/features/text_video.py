"""Networks in which texts and clips share a space: how well does a clip fit its prompt?"""

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from heygen_hf.data.cache import hash_weights
from heygen_hf.evaluation.features.loading import _label, _load_network, _normalization, _read_preprocessor, _size
from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing


class TextVideoFeatures:
    """A network with text and image (or video) features of one size, such as CLIP, SigLIP or X-CLIP.

    Args:
        network: has `get_text_features`, and `get_image_features` or `get_video_features`.
        tokenizer: of transformers.
        name, preprocessing: as in `VideoFeatures`; a network of videos takes layout `frames_first`.
        max_tokens: longer prompts are cut; by default what the network's configuration says.
    """

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Any,
        *,
        name: str,
        preprocessing: FeaturePreprocessing,
        max_tokens: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.takes_videos = hasattr(network, "get_video_features")
        if not hasattr(network, "get_text_features") or not (
            self.takes_videos or hasattr(network, "get_image_features")
        ):
            raise ValueError(
                f"{type(network).__name__} gives no features of texts and pictures; give CLIP, SigLIP, X-CLIP or a "
                "fusion network trained for retrieval"
            )
        if self.takes_videos == preprocessing.takes_images:
            raise ValueError(
                f"layout={preprocessing.layout!r} does not fit {type(network).__name__}; choose 'frames_first' for a "
                "network of videos, and 'images' for one of images"
            )
        network = network.eval().requires_grad_(False)
        self.network = network if device is None else network.to(device)
        self.tokenizer = tokenizer
        self.name = name
        self.preprocessing = preprocessing
        text_config = getattr(network.config, "text_config", None)
        self.max_tokens = max_tokens or getattr(text_config, "max_position_embeddings", None) or 77

    @cached_property
    def weights_hash(self) -> str:
        return hash_weights(self.network).hex()

    def describe(self) -> dict[str, Any]:
        """All that the features depend on, as JSON."""
        return {
            "name": self.name,
            "network": type(self.network).__name__,
            "weights_hash": self.weights_hash,
            "preprocessing": self.preprocessing.to_dict(),
            "max_tokens": self.max_tokens,
        }

    @torch.no_grad()
    def texts(self, prompts: Sequence[str]) -> torch.Tensor:
        """float32 `(prompts, features)` of unit length."""
        tokens = self.tokenizer(
            list(prompts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        inputs = {name: tokens[name].to(self._device) for name in ("input_ids", "attention_mask") if name in tokens}
        return _unit(self.network.get_text_features(**inputs))  # type: ignore[operator]

    @torch.no_grad()
    def clips(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 `(batch, frames, features)` of unit length, of clips in [0, 1]; one frame of a network of videos."""
        pixels = self.preprocessing(clips.to(self._device))
        if self.takes_videos:
            return _unit(self.network.get_video_features(pixel_values=pixels))[:, None]  # type: ignore[operator]
        features = _unit(self.network.get_image_features(pixel_values=pixels))  # type: ignore[operator]
        return features.unflatten(0, (clips.shape[0], -1))

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device


def load_text_video_features(
    source: str | os.PathLike[str],
    *,
    num_frames: int | None = None,
    revision: str | None = None,
    device: str | torch.device | None = None,
) -> TextVideoFeatures:
    """CLIP or a like network from a folder or the Hub, with its tokenizer.

    Args:
        num_frames: spread evenly over the clip; by default all of an image network, and what a video network was made
            for.

    Raises:
        ValueError: nothing of the kind loads from there.
    """
    from transformers import AutoTokenizer

    network, config, is_own = _load_network(source, pooling="auto", revision=revision, whole=True)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, revision=revision)
    except (OSError, ValueError, KeyError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"{source} has no tokenizer ({first_line}); give a model saved with its tokenizer") from error
    described = _read_preprocessor(source, revision)
    takes_videos = hasattr(network, "get_video_features")
    if takes_videos and num_frames is None:
        num_frames = getattr(getattr(config, "vision_config", None), "num_frames", None)
    height, width = _size(config, described)
    preprocessing = FeaturePreprocessing(
        height=height,
        width=width,
        interpolation="bicubic",
        num_frames=num_frames,
        frame_choice="first" if num_frames is None else "even",
        layout="frames_first" if takes_videos else "images",
        **_normalization(described, normalize=True, is_own=is_own),
    )
    return TextVideoFeatures(network, tokenizer, name=_label(source), preprocessing=preprocessing, device=device)


def _unit(output: Any) -> torch.Tensor:
    """The features, whatever they come wrapped in, of unit length and on the CPU."""
    if not isinstance(output, torch.Tensor):
        output = getattr(output, "pooler_output", None) if not isinstance(output, tuple) else output[0]
    return F.normalize(output.float(), dim=-1).cpu()
