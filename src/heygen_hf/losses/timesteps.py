"""Drawing timesteps in [0, 1], 0 clean and 1 noise."""

import torch


def stratified_uniform(count: int, *, generator: torch.Generator | None = None) -> torch.Tensor:
    """`count` values in [0, 1), one in each of `count` equal bins, in random order. `(count,)` float32, on the CPU.

    Every batch then covers the whole range, which lowers the variance of the loss (Kingma et al. 2021,
    arXiv:2107.00630, appendix I.1).
    """
    bins = torch.randperm(count, generator=generator)
    return (bins + torch.rand(count, generator=generator)).clamp(max=count * (1 - 1e-6)) / count


def shift_timesteps(uniform: torch.Tensor, shift: float) -> torch.Tensor:
    """Move mass towards noise for `shift` > 1: `shift * u / (1 + (shift - 1) * u)`.

    Esser et al. 2024, arXiv:2403.03206.

    A low-resolution clip is still readable at noise levels where its caption is no longer needed; captions are
    learned at high noise, so small videos profit from a shift as large ones do.

    Raises:
        ValueError: `shift` is not positive.
    """
    if shift <= 0:
        raise ValueError(f"timestep_shift must be positive, got {shift}; 1.0 leaves timesteps uniform.")
    return shift * uniform / (1 + (shift - 1) * uniform)


def per_frame(timestep: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """A timestep in float32, to broadcast over a clip `(batch, frames, channels, height, width)`.

    Args:
        timestep: `(batch,)`, `(batch, frames)`, or `(batch, frames, rows, columns)` over a grid that divides the frame.

    Raises:
        ValueError: its shape is none of these.
    """
    batch, frames = like.shape[:2]
    if timestep.ndim == 4 and timestep.shape[:2] == (batch, frames):
        height, width = like.shape[-2:]
        rows, columns = timestep.shape[2:]
        if not (height % rows or width % columns):
            spread = timestep.float().repeat_interleave(height // rows, dim=2)
            return spread.repeat_interleave(width // columns, dim=3)[:, :, None]
    if timestep.shape not in {(batch,), (batch, frames)}:
        raise ValueError(
            f"timestep has shape {tuple(timestep.shape)}; expected ({batch},) or ({batch}, {frames}), "
            f"one per sample or one per frame, or ({batch}, {frames}, rows, columns), one per patch."
        )
    timestep = timestep.float()
    return timestep.reshape(batch, -1, 1, 1, 1)
