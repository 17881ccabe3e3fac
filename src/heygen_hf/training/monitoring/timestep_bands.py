"""The training loss by how noisy the clips were."""

import torch

_NUM_BANDS = 5

# Timesteps from 0 (clean) to 1 (noise) in bands of equal width.
BAND_NAMES = [f"loss_at_{i / _NUM_BANDS:g}_to_{(i + 1) / _NUM_BANDS:g}" for i in range(_NUM_BANDS)]


def band_of_timestep(timestep: torch.Tensor) -> torch.Tensor:
    """Which band each sample is in: timesteps `(batch,)` on the CPU → bool `(batch, bands)`."""
    band = (timestep.detach().float() * _NUM_BANDS).long().clamp(0, _NUM_BANDS - 1)
    return band[:, None] == torch.arange(_NUM_BANDS)
