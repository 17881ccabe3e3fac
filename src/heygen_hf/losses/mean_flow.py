"""Mean flows: the velocity averaged over an interval, so that one evaluation crosses it (arXiv:2505.13447)."""

from collections.abc import Callable
from typing import Any

import torch

from heygen_hf.losses.flow_matching import FlowMatchingObjective
from heygen_hf.losses.objective import ObjectiveOutput, mean_over_generated_frames
from heygen_hf.losses.timesteps import per_frame

# Shares of the draws: half of them learn the velocity itself, which is what the averages are made of.
INSTANT_SHARE = 0.5
_SMALLEST_ERROR = 1e-3

DenoiseInterval = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class MeanFlowObjective(FlowMatchingObjective):
    """Flow matching on straight paths, of the mean velocity between a timestep and an earlier one, its end.

    The mean velocity u over [r, t] satisfies `u = v - (t - r) du/dt`, with v the path's velocity and du/dt the
    derivative along the path (Geng et al. 2025, arXiv:2505.13447): the right side, computed by one forward-mode
    derivative, is the target. At r = t it is flow matching; at sampling `z_r = z_t - (t - r) u` crosses the whole
    interval at once.

    | input | shape | values |
    |---|---|---|
    | `denoise` | `(noisy, timestep, end_timestep)` | the mean velocity u, or as a sample: `noisy - t u` |
    | `sample`, `noise` | `(batch, frames, channels, height, width)` | as in `DenoisingObjective` |
    | `timestep`, `end_timestep` | `(batch,)` or `(batch, frames)` | 0 <= end <= timestep <= 1 |

    Each sample's squared error is divided by itself to the power `adaptive_power`, which keeps the rare large targets
    from drowning the others; `loss_per_sample` is the error as it is.

    Args:
        adaptive_power: 0 is the plain squared error.
        others: see `DenoisingObjective`.

    Example:
        >>> objective = MeanFlowObjective()
        >>> output = objective(model, sample=x, noise=torch.randn_like(x), timestep=t, end_timestep=torch.zeros_like(t))
    """

    name = "mean_flow"

    def __init__(self, *, adaptive_power: float = 0.75, **options: Any) -> None:
        super().__init__(**options)
        if self.prediction_type == "noise":
            raise ValueError(
                "prediction_type='noise' says nothing of the sample at timestep 1, where mean flows start; use "
                "'velocity' or 'sample'."
            )
        if self.loss_space != "velocity":
            raise ValueError(
                f"loss_space={self.loss_space!r} says nothing to a mean flow, whose loss is of the mean velocity: "
                "leave it at 'velocity'."
            )
        if not 0 <= adaptive_power <= 1:
            raise ValueError(f"adaptive_power={adaptive_power} must lie between 0 (plain squared error) and 1.")
        self.adaptive_power = adaptive_power

    def draw_ends(self, timestep: torch.Tensor, *, generator: torch.Generator | None = None) -> torch.Tensor:
        """An end for each timestep, shaped like it, on its device: the timestep itself, or anywhere below."""
        count = timestep.shape[0]
        drawn = torch.rand((2, count), generator=generator)
        share = torch.where(drawn[0] < INSTANT_SHARE, torch.ones(()), drawn[1])
        return timestep * share.to(timestep).reshape(-1, *[1] * (timestep.ndim - 1))

    def __call__(  # type: ignore[override]
        self,
        denoise: DenoiseInterval,
        *,
        sample: torch.Tensor,
        noise: torch.Tensor,
        timestep: torch.Tensor,
        end_timestep: torch.Tensor | None = None,
    ) -> ObjectiveOutput:
        """One training forward pass and its derivative.

        Args:
            end_timestep: shaped like `timestep`; by default `timestep` itself, which is flow matching.

        Raises:
            ValueError: shapes that differ, ends after their timesteps, or a model without forward-mode derivatives.
        """
        end = timestep if end_timestep is None else end_timestep
        if noise.shape != sample.shape or end.shape != timestep.shape:
            raise ValueError(
                f"noise {tuple(noise.shape)} must be shaped like the sample {tuple(sample.shape)}, and end_timestep "
                f"{tuple(end.shape)} like timestep {tuple(timestep.shape)}."
            )
        if not torch.compiler.is_compiling() and bool((end > timestep).any()):
            raise ValueError("end_timestep lies after timestep somewhere; an interval ends at a cleaner one.")
        noisy = self.add_noise(sample, noise, timestep)
        moving = (timestep > 0).to(timestep.dtype)  # what is given stays
        velocity = (noise - sample) * per_frame(moving, sample)
        predictions: list[torch.Tensor] = []

        def mean_velocity(clip: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            prediction = denoise(clip, at, end)
            predictions.append(prediction)
            return self.convert(prediction.float(), clip, at, to="velocity")

        if end_timestep is None:
            mean, target = mean_velocity(noisy, timestep), velocity
        else:
            mean, slope = _value_and_slope(mean_velocity, (noisy, timestep), (velocity, moving))
            target = (velocity - per_frame(timestep - end, sample) * slope).detach()
        # As in flow matching: the velocity of a predicted sample is bounded near 0.
        at = per_frame(timestep, sample)
        scale = at / at.clamp(min=self.min_timestep) if self.prediction_type == "sample" else 1.0
        error = mean_over_generated_frames(((mean - target) * scale).square(), timestep)
        weight = (error.detach() + _SMALLEST_ERROR) ** -self.adaptive_power
        # Inside the derivative a prediction is a dual number; outside there is only its velocity.
        prediction = predictions[0] if end_timestep is None else mean
        return ObjectiveOutput(loss=(weight * error).mean(), loss_per_sample=error, prediction=prediction)


def _value_and_slope(
    function: Callable[..., torch.Tensor], at: tuple[torch.Tensor, ...], along: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        result: tuple[Any, ...] = torch.func.jvp(function, at, along)
    except (RuntimeError, NotImplementedError) as error:
        if "forward ad" not in str(error).lower() and "forward-mode" not in str(error).lower():
            raise
        raise ValueError(
            "this attention has no forward-mode derivative, which mean flows train with: set "
            "model.attn_implementation=matmul, and training.compile_blocks=never "
            f"({str(error).splitlines()[0]})"
        ) from error
    return result[0], result[1]
