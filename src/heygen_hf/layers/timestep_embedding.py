"""Sinusoidal features of a continuous timestep (Ho et al. 2020, arXiv:2006.11239)."""

import math

import torch


def timestep_features(timestep: torch.Tensor, size: int, *, max_period: float = 10_000.0) -> torch.Tensor:
    """`(...)` timesteps in [0, 1] → `(..., size)` cosines then sines, in float32.

    Timesteps are scaled by 1,000 first, the range the frequencies were made for.

    Raises:
        ValueError: `size` is odd.
    """
    if size % 2:
        raise ValueError(f"the timestep embedding size must be even, got {size}.")
    half = size // 2
    exponents = torch.arange(half, device=timestep.device, dtype=torch.float32) / half
    frequencies = torch.exp(-math.log(max_period) * exponents)
    angle = timestep[..., None].float() * 1000.0 * frequencies
    return torch.cat((angle.cos(), angle.sin()), dim=-1)
