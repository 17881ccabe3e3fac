"""Small random movements of whole clips, so that judges learn shapes and not places."""

import math

import torch
from torch.nn import functional as F


def augment_clips(
    clips: torch.Tensor,
    generator: torch.Generator,
    *,
    max_degrees: float = 12.0,
    max_scaling: float = 0.12,
    max_shift: float = 0.02,
) -> torch.Tensor:
    """Turn, scale, shear and shift each clip a little, the same for all its frames, so that motion stays what
    it is.

    Args:
        clips: floating point `(n, frames, channels, height, width)`; border pixels fill what comes into view.
        generator: a CPU generator; the result depends on it alone.
        max_degrees: of the turn, either way.
        max_scaling: relative change of width and of height, and the shear.
        max_shift: as a share of the frame.
    """
    count, frames, channels, height, width = clips.shape

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=generator) * 2 - 1

    angle = uniform(count) * math.radians(max_degrees)
    scale = 1 + uniform(count, 2) * max_scaling
    shear = uniform(count) * max_scaling
    shift = uniform(count, 2) * max_shift * 2  # the grid is 2 wide
    matrix = torch.stack(
        [
            torch.stack([scale[:, 0] * angle.cos(), shear - angle.sin(), shift[:, 0]], dim=-1),
            torch.stack([angle.sin(), scale[:, 1] * angle.cos(), shift[:, 1]], dim=-1),
        ],
        dim=1,
    )
    flat = clips.flatten(1, 2)  # one transform for all frames and channels of a clip
    grid = F.affine_grid(matrix.to(clips), list(flat.shape), align_corners=False)
    moved = F.grid_sample(flat, grid, padding_mode="border", align_corners=False)
    return moved.view(count, frames, channels, height, width)
