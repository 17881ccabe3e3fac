"""Perceptual loss: clips compared by what a trained network sees in them (Johnson et al. 2016)."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from heygen_hf.losses.bad_input import check_choice, check_weight
from heygen_hf.losses.clip_pairs import check_clip_pair, with_uncounted_of
from heygen_hf.losses.loss import Loss, full_precision

FeatureInput = Literal["images", "video", "volume"]
FeatureDistance = Literal["l1", "l2"]
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class PerceptualLoss(Loss):
    """Mean distance between a network's features of the prediction and of the target.

    | input | shape | values |
    |---|---|---|
    | `prediction`, `target` | `(batch, frames, channels, height, width)` | in `input_range` |
    | `frame_mask` | `(batch, frames)` bool | True at frames that count |
    | returns | scalar | at least 0 |

    The network is frozen and stays in eval mode; gradients flow through it to the prediction. It may be
    `VGG16Features`, any `AutoBackbone` or `AutoModel` (its `feature_maps` or `hidden_states`), or a module that
    returns a tensor, a list of them, or a dict. Gradient of a feature that holds no pixel of a counted frame is 0.

    Args:
        features: the network.
        layers: which of its outputs, by name (dict) or position (negative from the end); all by default.
        layer_weights: one weight for each layer; 1 by default.
        distance: `l1` or `l2` (mean absolute or squared difference).
        feature_input: what the network takes. `images`: `(batch * counted frames, channels, height, width)`;
            `video`: `(batch, frames, channels, height, width)`; `volume`: `(batch, channels, frames, height, width)`.
            For the last two, frames that do not count are the target's in both clips.
        normalization: `imagenet`, `(mean, std)` for each channel of pixels in [0, 1], or None for pixels as they are.
        input_range: the lowest and highest pixel value.
        chunk_size: images (or clips) that go through the network at a time; their activations are computed again
            in the backward pass, which bounds the memory. All at once by default.

    Example:
        >>> loss = PerceptualLoss(load_vgg16_features(), layers=("relu2_2", "relu3_3"))
        >>> loss(prediction, target)
    """

    summary = "distance between a frozen network's features of the two clips"
    citation = "Johnson et al. 2016, arXiv:1603.08155"

    def __init__(
        self,
        features: nn.Module,
        *,
        layers: Sequence[str | int] | None = None,
        layer_weights: Sequence[float] | None = None,
        distance: FeatureDistance = "l1",
        feature_input: FeatureInput = "images",
        normalization: Literal["imagenet"] | tuple[Sequence[float], Sequence[float]] | None = "imagenet",
        input_range: tuple[float, float] = (-1.0, 1.0),
        chunk_size: int | None = None,
    ) -> None:
        super().__init__()
        check_choice("distance", distance, get_args(FeatureDistance))
        check_choice("feature_input", feature_input, get_args(FeatureInput))
        if layers is not None and layer_weights is not None and len(layers) != len(layer_weights):
            raise ValueError(f"{len(layer_weights)} layer_weights for {len(layers)} layers: give one for each.")
        for weight in layer_weights or ():
            check_weight("layer_weights", weight)
        if not input_range[0] < input_range[1]:
            raise ValueError(f"input_range={input_range} must be (lowest, highest).")
        if chunk_size is not None and chunk_size < 1:
            raise ValueError(f"chunk_size={chunk_size} must be at least 1, or None for all at once.")
        if isinstance(normalization, str):
            check_choice("normalization", normalization, ("imagenet",))
            normalization = (IMAGENET_MEAN, IMAGENET_STD)
        self.features = features.requires_grad_(False).eval()
        self.layers = None if layers is None else tuple(layers)
        self.layer_weights = None if layer_weights is None else tuple(float(weight) for weight in layer_weights)
        self.distance = distance
        self.feature_input = feature_input
        self.normalization = normalization and (tuple(normalization[0]), tuple(normalization[1]))
        self.input_range = input_range
        self.chunk_size = chunk_size

    def options(self) -> dict[str, Any]:
        return {
            "features": type(self.features).__name__,
            "layers": list(self.layers) if self.layers else None,
            "layer_weights": list(self.layer_weights) if self.layer_weights else None,
            "distance": self.distance,
            "feature_input": self.feature_input,
            "normalization": [list(values) for values in self.normalization] if self.normalization else None,
            "input_range": list(self.input_range),
            "chunk_size": self.chunk_size,
        }

    def train(self, mode: bool = True) -> "PerceptualLoss":
        super().train(mode)
        self.features.eval()  # dropout or batch statistics would make it another measure every step
        return self

    def forward(
        self, prediction: torch.Tensor, target: torch.Tensor, *, frame_mask: torch.Tensor | None = None
    ) -> torch.Tensor:
        counted = check_clip_pair(prediction, target, frame_mask)
        if self.feature_input != "images":
            prediction = with_uncounted_of(prediction, target, counted)
            clips = [prediction, target]
        elif frame_mask is None:  # no selection by value, which would break a compiled graph
            clips = [prediction.flatten(0, 1), target.flatten(0, 1)]
        else:
            clips = [prediction[counted], target[counted]]
        predicted, wanted = (self._network_input(clip) for clip in clips)
        wanted = wanted.detach()
        items = predicted.shape[0]
        size = self.chunk_size or items
        total = predicted.new_zeros((), dtype=torch.float32)
        for begin in range(0, items, size):
            chunk = predicted[begin : begin + size], wanted[begin : begin + size]
            if self.chunk_size and torch.is_grad_enabled() and predicted.requires_grad:
                part = checkpoint(self._compare, *chunk, use_reentrant=False)
            else:
                part = self._compare(*chunk)
            total = total + part * (len(chunk[0]) / items)
        return total

    def _network_input(self, pixels: torch.Tensor) -> torch.Tensor:
        """`(..., channels, height, width)` normalised, in the layout and precision of the network."""
        low, high = self.input_range
        if self.normalization is not None:
            mean, std = (pixels.new_tensor(values)[:, None, None] for values in self.normalization)
            if len(mean) not in {1, pixels.shape[-3]}:
                raise ValueError(
                    f"normalization has {len(mean)} channels and the clips {pixels.shape[-3]}: repeat the channel of "
                    "grey clips, or give (mean, std) for each channel."
                )
            pixels = ((pixels - low) / (high - low) - mean) / std
        pixels = pixels.transpose(1, 2) if self.feature_input == "volume" else pixels
        parameter = next((p for p in self.features.parameters() if p.is_floating_point()), None)
        return pixels if parameter is None else pixels.to(parameter.dtype)

    def _compare(self, predicted: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        ours = self._select(self.features, predicted)
        with torch.no_grad():
            theirs = self._select(self.features, wanted)
        if self.layer_weights is not None and len(self.layer_weights) != len(ours):
            raise ValueError(f"{len(self.layer_weights)} layer_weights for {len(ours)} layers: give one for each.")
        weights = self.layer_weights or (1.0,) * len(ours)
        distances = []
        for weight, a, b in zip(weights, ours, theirs, strict=True):
            difference = full_precision(a) - full_precision(b)
            distance = difference.abs() if self.distance == "l1" else difference.square()
            distances.append(weight * distance.mean())
        return torch.stack(distances).sum()

    def _select(self, network: nn.Module, pixels: torch.Tensor) -> list[torch.Tensor]:
        # transformers' models return their layers only when asked to
        options = {"output_hidden_states": True} if hasattr(network, "main_input_name") else {}
        output = network(pixels, **options)
        maps: Any = getattr(output, "feature_maps", None)
        if maps is None:
            maps = getattr(output, "hidden_states", None)
        if maps is None:
            maps = output
        if isinstance(maps, torch.Tensor):
            maps = (maps,)
        named = isinstance(maps, Mapping)
        chosen = self.layers if self.layers is not None else (list(maps) if named else range(len(maps)))
        try:
            return [maps[layer] for layer in chosen]
        except (KeyError, IndexError, TypeError) as error:
            there = ", ".join(map(str, maps)) if named else f"0 to {len(maps) - 1}"
            raise ValueError(f"layers={tuple(chosen)}: {type(network).__name__} has {there}.") from error
