"""Clips to measure: boxes of many colours that move."""

import torch
from torch import nn

from heygen_hf.evaluation.features import FeaturePreprocessing, VideoFeatures


def boxes(count: int, *, seed: int = 0, noise: float = 0.0, frames: int = 5, edge: int = 16) -> torch.Tensor:
    """`(count, frames, 3, edge, edge)` in [0, 1]."""
    generator = torch.Generator().manual_seed(seed)
    clips = torch.zeros(count, frames, 3, edge, edge)
    for clip in clips:
        colour = torch.rand(3, generator=generator)
        top, left = torch.randint(0, edge - 6, (2,), generator=generator).tolist()
        step = int(torch.randint(0, 2, (), generator=generator))
        for frame in range(frames):
            clip[frame, :, top : top + 6, left + step * frame // 2 : left + step * frame // 2 + 6] = colour[
                :, None, None
            ]
    return (clips + noise * torch.rand(clips.shape, generator=generator)).clamp(0, 1)


class Colours(nn.Module):
    """A fast network: the mean and deviation of each colour of each clip."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(6))
        self.calls = 0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls += len(pixels)
        return torch.cat([pixels.mean((1, 3, 4)), pixels.std((1, 3, 4))], 1) * self.weight


def colours(*, scale: float = 1.0) -> VideoFeatures:
    network = Colours()
    network.weight.data *= scale
    return VideoFeatures(network, name="colours", preprocessing=FeaturePreprocessing())


def frame_colours() -> VideoFeatures:
    return VideoFeatures(Colours(), name="colours", preprocessing=FeaturePreprocessing(layout="single_frame_clips"))
