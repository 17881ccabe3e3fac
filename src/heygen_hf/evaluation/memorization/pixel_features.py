"""Clips as their own small pixels: what finds copies that are copies to the eye."""

import torch
from torch import nn

from heygen_hf.evaluation.features import FeaturePreprocessing, VideoFeatures


class SmallPixels(nn.Module):
    """All pixels of all frames, so scaled that the distance of two clips is the root mean square of their difference:
    0 is the same clip, 1 black beside white."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(()))  # a network is known by its tensors

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, channels, height, width)` to `(batch, frames * channels * height * width)`."""
        flat = pixels.flatten(1)
        return flat * (self.scale / flat.shape[1] ** 0.5)


def pixel_features(*, size: int = 16) -> VideoFeatures:
    """Frames scaled to `size` by `size`, all of them: clips of one length are needed."""
    return VideoFeatures(
        SmallPixels(),
        name=f"pixels at {size}x{size}",
        preprocessing=FeaturePreprocessing(height=size, width=size),
    )
