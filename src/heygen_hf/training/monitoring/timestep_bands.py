"""The training loss by how noisy the clips were."""

import torch

_NUM_BANDS = 5

# Timesteps from 0 (clean) to 1 (noise) in bands of equal width.
BAND_NAMES = [f"loss_at_{i / _NUM_BANDS:g}_to_{(i + 1) / _NUM_BANDS:g}" for i in range(_NUM_BANDS)]


def bands_of_timesteps(timestep: torch.Tensor) -> list[str]:
    """The band of each sample, by name; timesteps `(batch,)` on the CPU."""
    return [BAND_NAMES[min(int(value * _NUM_BANDS), _NUM_BANDS - 1)] for value in timestep.tolist()]
