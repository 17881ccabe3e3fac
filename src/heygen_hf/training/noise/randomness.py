"""Noise, timesteps and condition dropout as functions of (seed, optimiser step, position in the global batch).

Nothing here knows a rank: a process asks for the positions it happens to hold, so two processes draw exactly what one
process with twice the batch would, and a resumed run draws what the uninterrupted one did.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

# Separate streams of one (seed, step): noise must not repeat the numbers that chose the timesteps.
# 3 to 5 are those of given frames.
_TIMESTEPS, _DROPOUT, _NOISE, _DROPOUT_OF_EACH, _ENDS = 0, 1, 2, 6, 7


@dataclass(frozen=True)
class NoiseDraw:
    """What one micro-batch needs beside its data.

    Attributes:
        noise: `(batch, frames, channels, height, width)`, standard normal.
        timestep: `(batch,)` in (0, 1].
        condition_dropout_mask: bool `(batch,)`, True where all conditions are dropped; or `(batch, conditions)`.
    """

    noise: torch.Tensor
    timestep: torch.Tensor
    condition_dropout_mask: torch.Tensor


def generator_for(*key: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the integers in `key`, and independent between keys."""
    state = 0x9E3779B97F4A7C15
    for part in key:
        # splitmix64: neighbouring steps and positions must not give neighbouring (correlated) seeds.
        state = (state + part * 0xBF58476D1CE4E5B9 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return torch.Generator().manual_seed(state & 0x7FFFFFFFFFFFFFFF)


def draw_noise(
    shape: Sequence[int],
    *,
    positions: Sequence[int],
    global_batch_size: int,
    seed: int,
    step: int,
    condition_dropout: float,
    draw_timesteps: Callable[..., torch.Tensor],
    separate_conditions: int = 0,
) -> NoiseDraw:
    """Draw for the samples at `positions` of the global batch of one optimiser step, on the CPU.

    Args:
        shape: of one sample, `(frames, channels, height, width)`.
        positions: where in the global batch each sample of this micro-batch stands.
        global_batch_size: samples over all processes and accumulation steps; timesteps are stratified over it.
        condition_dropout: probability of dropping a sample's conditions.
        draw_timesteps: `(count, generator=...) -> (count,)`, an objective's `draw_timesteps`.
        separate_conditions: columns of the mask; beside all conditions at once, each is then dropped alone with the
            same probability. 0 for one mask of all.
    """
    # A last, larger batch may hold positions past the nominal size; wrap rather than fail.
    index = torch.tensor([position % global_batch_size for position in positions])
    timestep = draw_timesteps(global_batch_size, generator=generator_for(seed, step, _TIMESTEPS))[index]
    dropped = torch.rand(global_batch_size, generator=generator_for(seed, step, _DROPOUT))[index] < condition_dropout
    if separate_conditions:
        generator = generator_for(seed, step, _DROPOUT_OF_EACH)
        alone = torch.rand(global_batch_size, separate_conditions, generator=generator)[index] < condition_dropout
        dropped = dropped[:, None] | alone
    noise = torch.stack([torch.randn(*shape, generator=generator_for(seed, step, _NOISE, p)) for p in positions])
    return NoiseDraw(noise=noise, timestep=timestep, condition_dropout_mask=dropped)


def draw_interval_ends(
    timestep: torch.Tensor,
    *,
    positions: Sequence[int],
    seed: int,
    step: int,
    draw_ends: Callable[..., torch.Tensor],
) -> torch.Tensor:
    """Where the interval of each sample ends, shaped like `timestep`; see `MeanFlowObjective.draw_ends`."""
    ends = [
        draw_ends(timestep[i : i + 1], generator=generator_for(seed, step, _ENDS, position))
        for i, position in enumerate(positions)
    ]
    return torch.cat(ends)


def positions_in_global_batch(
    *, batch_size: int, nominal_batch_size: int, micro_step: int, rank: int, world_size: int
) -> list[int]:
    """Positions of the samples of a process's `micro_step`-th micro-batch in the global batch of the step.

    `EpochBatches` deals the samples of a micro-batch to the processes in turn, like cards.
    """
    first = micro_step * world_size * nominal_batch_size + rank
    return [first + sample * world_size for sample in range(batch_size)]
