"""How different two clips look to a network: the distance between its activations, frame by frame."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


@torch.no_grad()
def perceptual_distance_of_clips(network: nn.Module, clips: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """Activations of each layer scaled to unit length at each place, squared differences summed over channels, the mean
    over places, layers and frames: LPIPS without its learned weights ("baseline" in the paper).

    Zhang et al. 2018, arXiv:1801.03924.

    Args:
        network: of images, such as `VGG16Features`; gives maps `(images, channels, height, width)` as a dict, a list,
            or a model's `feature_maps` or `hidden_states`.
        clips, references: `(batch, frames, channels, height, width)`, preprocessed as the network wants them.

    Returns:
        float64 `(batch,)`, 0 where the clips are the same, at most 4.

    Raises:
        ValueError: the shapes differ.
    """
    if clips.shape != references.shape or clips.ndim != 5:
        raise ValueError(
            f"perceptual_distance: clips have shape {tuple(clips.shape)} and references {tuple(references.shape)}; "
            "expected (batch, frames, channels, height, width), the same for both"
        )
    parts = []
    for first, second in zip(clips, references, strict=True):  # a clip at a time bounds the memory
        layers = [
            (_unit(a) - _unit(b)).square().sum(1).flatten(1).mean(1)
            for a, b in zip(_maps(network, first), _maps(network, second), strict=True)
        ]
        parts.append(torch.stack(layers).mean())
    return torch.stack(parts)


def _unit(activations: torch.Tensor) -> torch.Tensor:
    values = activations.double()
    return values / (values.square().sum(1, keepdim=True).sqrt() + 1e-10)


def _maps(network: nn.Module, frames: torch.Tensor) -> list[torch.Tensor]:
    is_of_clips = getattr(getattr(network, "config", None), "model_type", "") == "conv_video_encoder"
    options = {"output_hidden_states": True} if hasattr(network, "main_input_name") else {}
    output: Any = network(frames[:, None] if is_of_clips else frames, **options)
    found = getattr(output, "feature_maps", None)
    found = getattr(output, "hidden_states", None) if found is None else found
    found = output if found is None else found
    if isinstance(found, Mapping):
        found = list(found.values())
    maps = [found] if isinstance(found, torch.Tensor) else list(found)
    maps = [each.squeeze(2) if each.ndim == 5 else each for each in maps]  # one frame of a network of clips
    if not maps or any(each.ndim != 4 for each in maps):
        raise ValueError(
            f"perceptual_distance: {type(network).__name__} gives no maps (images, channels, height, width); give a "
            "convolutional network, such as VGG16Features"
        )
    return maps
