"""Which frames of a training clip are given to the model: image to video, continuation, interpolation, inpainting.

A given frame stands at timestep 0, the loss skips it, and the rest of the clip is learned from it. Or every time row
gets a timestep of its own ("each"; diffusion forcing, Chen et al. 2024, arXiv:2407.01392), so that rows are learned
beside others of any noise: what a model that is causal in time needs to make a clip row by row. Frames are the model's:
a latent frame that stands for several is given as a whole. The draw is a function of (seed, optimiser step, position in
the global batch), as all randomness of training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from heygen_hf.losses.timesteps import stratified_uniform
from heygen_hf.training.noise.randomness import generator_for

GivenPattern = Literal["none", "first", "prefix", "first_and_last", "random", "region", "each"]

# Streams beside those of noise, timesteps and condition dropout.
_PATTERNS, _FRAMES, _VALIDATION = 3, 4, 5


@dataclass(frozen=True)
class GivenFrames:
    """What is given of the clips of a micro-batch.

    Attributes:
        given: bool `(batch, frames)`, or `(batch, frames, rows, columns)` over patches where regions are learned.
        noise_std: `(batch,)`, the spread of the noise on what is given.
        levels: `(batch, frames)`, the timesteps of samples whose rows have their own, NaN for the others; None where
            there are none.
        relative: whether `levels` are parts of a sample's timestep.
    """

    given: torch.Tensor
    noise_std: torch.Tensor
    levels: torch.Tensor | None = None
    relative: bool = False

    def timesteps(self, timestep: torch.Tensor) -> torch.Tensor:
        """`timestep` `(batch,)` where something is generated, 0 where it is given; shaped like `given`."""
        spread = timestep.reshape(-1, *[1] * (self.given.ndim - 1))
        timesteps = torch.where(self.given.to(timestep.device), 0.0, spread)
        if self.levels is None:
            return timesteps
        levels = self.levels.to(timestep).reshape(*self.levels.shape, *[1] * (self.given.ndim - 2))
        return torch.where(levels.isnan(), timesteps, levels * spread if self.relative else levels)

    def noised(self, clips: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Clips `(batch, frames, channels, height, width)` with a little of `noise` on what is given.

        A model that learns from given frames that are not quite clean forgives the errors of frames it made itself.
        The noise is that of the clip, of which timestep 0 uses nothing.
        """
        if not self.noise_std.any():
            return clips
        given = self.given
        if given.ndim == 4:
            rows, columns = clips.shape[-2] // given.shape[2], clips.shape[-1] // given.shape[3]
            given = given.repeat_interleave(rows, dim=2).repeat_interleave(columns, dim=3)
        given = given.reshape(*given.shape[:2], 1, *(given.shape[2:] or (1, 1)))
        std = self.noise_std.reshape(-1, 1, 1, 1, 1) * given
        return clips + std.to(clips) * noise.to(clips)


class GivenFramesSampler:
    """Draws what is given, by shares of patterns.

    Args:
        shares: pattern → share of the samples. "none" gives nothing (text to video), "first" the first frame (image
            to video), "prefix" 1 to `max_prefix_frames` frames (continuation), "first_and_last" both ends
            (interpolation), "random" some of the frames, "region" all but a rectangle of patches through the whole
            clip (inpainting), "each" gives nothing, and every row its own timestep. They must sum to 1.
        max_prefix_frames: the longest prefix; None for half the clip.
        max_noise_std: given values get noise of a spread drawn for each sample between 0 and this.

    Raises:
        ValueError: an unknown pattern, or shares that do not sum to 1.
    """

    def __init__(
        self, shares: Mapping[str, float], *, max_prefix_frames: int | None = None, max_noise_std: float = 0.0
    ) -> None:
        known = get_args(GivenPattern)
        for name, share in shares.items():
            if name not in known:
                raise ValueError(f"given_frames has the pattern {name!r}; known are {', '.join(known)}.")
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise ValueError(f"given_frames.{name} is {share!r}; expected a share of the samples from 0 to 1.")
        if abs(sum(shares.values()) - 1) > 1e-6:
            raise ValueError(f"the shares of given_frames sum to {sum(shares.values()):g}; expected 1.")
        if max_prefix_frames is not None and max_prefix_frames < 1:
            raise ValueError(f"given_prefix_frames is {max_prefix_frames}; expected at least 1, or None for half.")
        if not 0 <= max_noise_std <= 1:
            raise ValueError(f"given_noise is {max_noise_std}; expected a standard deviation from 0 to 1.")
        self.shares = {name: float(share) for name, share in shares.items() if share > 0}
        self.max_prefix_frames = max_prefix_frames
        self.max_noise_std = max_noise_std
        self.row_frames = 1
        self.draw_timesteps: Callable[..., torch.Tensor] | None = None

    def for_model(self, *, row_frames: int, draw_timesteps: Callable[..., torch.Tensor]) -> "GivenFramesSampler":
        """Say how the model's timesteps are drawn, and how many frames share one in the pattern "each".

        Args:
            draw_timesteps: `(count, generator=…)` → `(count,)`.
        """
        self.row_frames, self.draw_timesteps = row_frames, draw_timesteps
        return self

    @property
    def patterns(self) -> list[str]:
        """Those that give something."""
        return [name for name in self.shares if name != "none"]

    @property
    def over_patches(self) -> bool:
        """Whether what is given differs between patches of a frame."""
        return "region" in self.shares

    def draw(
        self, grid: tuple[int, int, int], *, positions: Sequence[int], global_batch_size: int, seed: int, step: int
    ) -> GivenFrames:
        """What is given of the samples at `positions` of the global batch of one optimiser step.

        Args:
            grid: frames of a clip (not patches of frames), rows and columns of its patches.
        """
        uniform = stratified_uniform(global_batch_size, generator=generator_for(seed, step, _PATTERNS))
        given, stds, levels = [], [], []
        for position in positions:
            generator = generator_for(seed, step, _FRAMES, position)
            pattern = self._pattern_at(float(uniform[position % global_batch_size]))
            given.append(self._draw_one(pattern, grid, generator))
            stds.append(torch.rand((), generator=generator) * self.max_noise_std)
            levels.append(self._levels(grid[0], generator) if pattern == "each" else torch.full(grid[:1], torch.nan))
        return GivenFrames(
            torch.stack(given), torch.stack(stds), torch.stack(levels) if "each" in self.shares else None
        )

    def fixed(self, pattern: str, grid: tuple[int, int, int], *, positions: Sequence[int]) -> GivenFrames:
        """One pattern for the clips at `positions` of the validation set, the same at every evaluation, clean.

        The prefix is the longest; frames and regions that training draws are drawn from the position. Of "each" every
        row has a part of the evaluation's timestep.
        """
        given = []
        for position in positions:
            if pattern == "prefix":
                given.append(self._spread(torch.arange(grid[0]) < self._longest_prefix(grid[0]), grid))
            else:
                given.append(self._draw_one(pattern, grid, generator_for(_VALIDATION, position)))
        levels = None
        if pattern == "each":
            rows = -(-grid[0] // self.row_frames)
            parts = [1 - torch.rand(rows, generator=generator_for(_VALIDATION, position)) for position in positions]
            levels = torch.stack([self._over_frames(part, grid[0]) for part in parts])
        return GivenFrames(torch.stack(given), torch.zeros(len(given)), levels, relative=True)

    def _pattern_at(self, uniform: float) -> str:
        total = 0.0
        for name, share in self.shares.items():
            total += share
            if uniform < total:
                return name
        return name

    def _draw_one(self, pattern: str, grid: tuple[int, int, int], generator: torch.Generator) -> torch.Tensor:
        frames, rows, columns = grid
        given = torch.zeros(frames, dtype=torch.bool)
        if pattern in ("none", "each"):
            return self._spread(given, grid)
        if pattern == "region":
            inpainted = torch.zeros(grid, dtype=torch.bool)
            inpainted[:, _stretch(rows, generator), _stretch(columns, generator)] = True
            return ~inpainted
        least = 3 if pattern == "first_and_last" else 2
        if frames < least:
            raise ValueError(
                f"given_frames.{pattern} needs clips of at least {least} frames (latent frames with an autoencoder), "
                f"and these have {frames}: leave the pattern out or take longer clips."
            )
        if pattern == "first":
            given[0] = True
        elif pattern == "prefix":
            given[: _between(1, self._longest_prefix(frames), generator)] = True
        elif pattern == "first_and_last":
            given[0] = given[-1] = True
        else:
            given[torch.randperm(frames, generator=generator)[: _between(1, frames - 1, generator)]] = True
        return self._spread(given, grid)

    def _levels(self, frames: int, generator: torch.Generator) -> torch.Tensor:
        if self.draw_timesteps is None:
            raise ValueError('the pattern "each" draws timesteps: call for_model first.')
        return self._over_frames(self.draw_timesteps(-(-frames // self.row_frames), generator=generator), frames)

    def _over_frames(self, rows: torch.Tensor, frames: int) -> torch.Tensor:
        return rows.repeat_interleave(self.row_frames)[:frames]

    def _longest_prefix(self, frames: int) -> int:
        longest = frames // 2 if self.max_prefix_frames is None else self.max_prefix_frames
        if longest >= frames:
            raise ValueError(
                f"given_prefix_frames is {longest} and the clips have {frames} frames (latent frames with an "
                f"autoencoder); expected at most {frames - 1}, so that something is left to learn."
            )
        return longest

    def _spread(self, given: torch.Tensor, grid: tuple[int, int, int]) -> torch.Tensor:
        return given[:, None, None].expand(grid) if self.over_patches else given


def _between(low: int, high: int, generator: torch.Generator) -> int:
    return int(torch.randint(low, high + 1, (), generator=generator))


def _stretch(length: int, generator: torch.Generator) -> slice:
    size = _between(1, length, generator)
    start = _between(0, length - size, generator)
    return slice(start, start + size)
