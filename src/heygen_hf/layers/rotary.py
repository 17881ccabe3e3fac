"""Rotary positions over (time, height, width): RoFormer (Su et al. 2021, arXiv:2104.09864), one band per axis.

Positions are relative and need no table of a fixed size, so a model runs on any length, resolution and aspect.
"""

import torch


def split_rotary_bands(head_dim: int) -> tuple[int, int, int]:
    """How many rotation planes (pairs of channels) of a head each axis gets: `(time, height, width)`.

    Height and width get the same share; time takes what is left over. `head_dim=64` has 32 planes: `(12, 10, 10)`.

    Raises:
        ValueError: `head_dim` is odd or below 6, so that an axis would get no plane.
    """
    if head_dim % 2 or head_dim < 6:
        raise ValueError(f"head_dim={head_dim} cannot carry 3-D rotary positions: it must be even and at least 6.")
    planes = head_dim // 2
    spatial = planes // 3
    return planes - 2 * spatial, spatial, spatial


def grid_positions(frames: int, height: int, width: int, *, device: torch.device | None = None) -> torch.Tensor:
    """Integer positions of a token grid, `(frames * height * width, 3)`, time slowest and width fastest."""
    axes = [torch.arange(size, device=device) for size in (frames, height, width)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)


def caption_positions(length: int, *, device: torch.device | None = None) -> torch.Tensor:
    """Positions of caption tokens in a shared stream, `(length, 3)`: before the first frame, on the time axis.

    Token i sits at time -1 - i, row 0, column 0, so no caption token shares a position with a video token and the
    caption's length does not move the video.
    """
    positions = torch.zeros(length, 3, dtype=torch.long, device=device)
    positions[:, 0] = -1 - torch.arange(length, device=device)
    return positions


def audio_positions(length: int, *, device: torch.device | None = None) -> torch.Tensor:
    """Positions of audio tokens in a shared stream, `(length, 3)`: at the times of the grid's rows, beside the picture.

    Token i sits at time i, row -1, column -1: on no position of a video or caption token, and in every clip equally far
    from the video tokens of its time.
    """
    positions = torch.full((length, 3), -1, dtype=torch.long, device=device)
    positions[:, 0] = torch.arange(length, device=device)
    return positions


def rotary_embedding(
    positions: torch.Tensor, head_dim: int, *, theta: float = 100.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of the rotation angles, each `(tokens, head_dim // 2)` in float32.

    Args:
        positions: `(tokens, 3)`, integers or floats.
        theta: the longest period is about `2 * pi * theta`; axes here are short, hence less than a text model's 10,000.
    """
    angles = []
    for axis, planes in enumerate(split_rotary_bands(head_dim)):
        exponents = torch.arange(planes, device=positions.device, dtype=torch.float32) / planes
        angles.append(positions[:, axis, None].float() * theta**-exponents)
    angle = torch.cat(angles, dim=-1)
    return angle.cos(), angle.sin()


def apply_rotary(heads: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotate each head's channel pairs `(i, i + head_dim // 2)` by the token's angles.

    Args:
        heads: `(batch, heads, tokens, head_dim)`.
        cosine, sine: `(tokens, head_dim // 2)`.

    Returns:
        The rotated heads, in their own dtype. The tables are rounded to it: angles are exact to float32 before.
    """
    cosine, sine = cosine.to(heads.dtype), sine.to(heads.dtype)
    first, second = heads.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
