"""A network, what it is given, what is taken of it, and the hash of its weights: a metric's eyes."""

import hashlib
import json
from functools import cached_property
from typing import Any, Literal, get_args

import torch
from torch import nn

from heygen_hf.data.cache import hash_weights
from heygen_hf.evaluation.features.preprocessing import FeaturePreprocessing

Pooling = Literal["auto", "mean_tokens", "first_token", "pooler", "logits", "attentive", "image_embeds"]


class VideoFeatures:
    """Features of clips: `features(clips)` gives one vector a clip, or one a frame of a network of images.

    Args:
        network: any module; it is put into eval mode, without gradients. In fp32 whatever the surrounding autocast.
        name: of the network, for the record.
        preprocessing: what is done to clips first.
        pooling: which of its outputs: `auto` takes a tensor as it is, else the pooled output, else the mean over
            tokens; `mean_tokens` and `first_token` of the last hidden states; `pooler`, `logits` and `image_embeds` of
            that name; `attentive` the network's own attentive pooler (V-JEPA 2's classifiers) before the classes.
        min_frames: of a clip after preprocessing.
        device: where the network runs; by default where it is.
        options: anything else that the features depend on, for the record.

    Example:
        >>> features = VideoFeatures(network, name="mine", preprocessing=FeaturePreprocessing(height=64, width=64))
        >>> features(torch.rand(8, 16, 3, 32, 32)).shape
        torch.Size([8, 128])
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        name: str,
        preprocessing: FeaturePreprocessing,
        pooling: Pooling = "auto",
        min_frames: int = 1,
        device: str | torch.device | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        if pooling not in get_args(Pooling):
            raise ValueError(f"pooling is {pooling!r}; expected one of {', '.join(get_args(Pooling))}")
        network = network.eval().requires_grad_(False)
        self.network = network if device is None else network.to(device)
        self.name = name
        self.preprocessing = preprocessing
        self.pooling: Pooling = pooling
        self.min_frames = min_frames
        self.options = dict(options or {})

    @cached_property
    def weights_hash(self) -> str:
        """Of every weight and buffer of the network: 32 hex digits."""
        return hash_weights(self.network).hex()

    @property
    def takes_images(self) -> bool:
        """Whether it gives a vector a frame."""
        return self.preprocessing.takes_images

    def describe(self) -> dict[str, Any]:
        """All that the features depend on, as JSON."""
        return {
            "name": self.name,
            "network": type(self.network).__name__,
            "weights_hash": self.weights_hash,
            "pooling": self.pooling,
            "preprocessing": self.preprocessing.to_dict(),
            **({"options": self.options} if self.options else {}),
        }

    @cached_property
    def hash(self) -> str:
        """Of everything in `describe`."""
        return hashlib.blake2b(json.dumps(self.describe(), sort_keys=True).encode(), digest_size=16).hexdigest()

    @torch.no_grad()
    def __call__(self, clips: torch.Tensor) -> torch.Tensor:
        """Features of a batch.

        Args:
            clips: `(batch, frames, channels, height, width)`, floating point in [0, 1] or uint8.

        Returns:
            float32 on the CPU: `(batch, features)`, or `(batch, frames, features)` of a network of images.

        Raises:
            ValueError: another shape, clips that are too short, or features that are not finite.
        """
        if clips.ndim != 5:
            raise ValueError(
                f"clips have shape {tuple(clips.shape)}; expected (batch, frames, channels, height, width)"
            )
        if clips.dtype == torch.uint8:
            clips = clips.float() / 255
        num_frames = len(self.preprocessing.frame_numbers(clips.shape[1]))
        if num_frames < self.min_frames:
            raise ValueError(
                f"{self.name} needs clips of at least {self.min_frames} frames, and these have {num_frames}"
            )
        parameter = next((each for each in self.network.parameters() if each.is_floating_point()), None)
        device = clips.device if parameter is None else parameter.device
        pixels = self.preprocessing(clips.to(device))
        if parameter is not None:
            pixels = pixels.to(parameter.dtype)
        with torch.autocast(device.type, enabled=False):
            vectors = _pooled(self._run(pixels), self.pooling, self.network)
        if vectors.ndim != 2 or vectors.shape[0] != pixels.shape[0]:
            raise ValueError(
                f"{self.name} gives features of shape {tuple(vectors.shape)} for {pixels.shape[0]} inputs; expected "
                "(inputs, features): choose a pooling"
            )
        vectors = vectors.float().cpu()
        if not bool(torch.isfinite(vectors).all()):
            raise ValueError(f"{self.name} gives features that are not finite; check its weights, or run it in fp32")
        return vectors.unflatten(0, (clips.shape[0], -1)) if self.takes_images else vectors

    def _run(self, pixels: torch.Tensor) -> Any:
        network = self.network
        if self.pooling == "image_embeds" and hasattr(network, "get_image_features"):
            return network.get_image_features(pixel_values=pixels)
        if self.pooling == "attentive":
            return _encoder_of(network)(pixels)
        main_input = getattr(network, "main_input_name", None)
        if main_input is None:
            return network(pixels)
        options = {"skip_predictor": True} if type(network).__name__ == "VJEPA2Model" else {}
        return network(**{main_input: pixels}, **options)


def _encoder_of(network: nn.Module) -> Any:
    """The part of a V-JEPA 2 classifier before its pooler."""
    encoder = getattr(network, "vjepa2", None)
    if encoder is None or not hasattr(network, "pooler"):
        raise ValueError(
            f"pooling='attentive' needs a network with an attentive pooler, such as VJEPA2ForVideoClassification, and "
            f"this is {type(network).__name__}; choose pooling='mean_tokens'"
        )
    return lambda pixels: encoder(pixel_values_videos=pixels, skip_predictor=True)


def _pooled(output: Any, pooling: Pooling, network: nn.Module) -> torch.Tensor:
    if isinstance(output, torch.Tensor):
        return output if output.ndim <= 2 else output.flatten(2).mean(-1) if output.ndim > 3 else output.mean(1)
    if isinstance(output, tuple | list):
        return _pooled(output[0], pooling, network)
    hidden = getattr(output, "last_hidden_state", None)
    pooled = getattr(output, "pooler_output", None)
    if pooling == "image_embeds":  # a model may give them as its pooled output
        named = getattr(output, "image_embeds", None)
        pooled = pooled if named is None else named
    if pooling == "attentive":
        return network.pooler(hidden)  # type: ignore[operator]
    if pooling == "logits":
        if getattr(output, "logits", None) is None:
            raise ValueError(f"{type(network).__name__} gives no logits; load a classifier, or choose another pooling")
        return output.logits
    if pooling in ("pooler", "auto", "image_embeds") and pooled is not None:
        return pooled
    if hidden is None or pooling in ("pooler", "image_embeds"):
        if pooling == "auto" and getattr(output, "logits", None) is not None:
            return output.logits
        raise ValueError(f"{type(network).__name__} gives nothing for pooling={pooling!r}; choose another")
    if pooling == "first_token":
        return hidden[:, 0]
    return hidden.flatten(2).mean(-1) if hidden.ndim > 3 else hidden.mean(1)
