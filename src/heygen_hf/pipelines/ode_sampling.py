"""Sampling by an adaptive solver: steps as long as a tolerance allows (Dormand & Prince 1980, through torchdiffeq)."""

import torch

from heygen_hf._optional import require
from heygen_hf.losses import DenoisingObjective
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.pipelines.guidance import GuidedModel

# Towards 0 a predicted sample's velocity is a small difference over a small number; from here its sample is the end.
_LAST_TIMESTEP = 0.01
# Far beyond what any model of use takes; a velocity that jumps would go on for ever.
_MOST_STEPS = 2000


class OdeRun:
    """The flow from noise to a clip, solved to a tolerance; as `SamplingRun`, without a number of steps.

    The error is measured over the whole batch, so a video depends on the others beside it, to within the tolerance.

    Args:
        model: what predicts.
        objective: what the model was trained for: flow matching.
        rtol, atol: of each step's error, relative to the clip's values and absolute.
        kept: what is given.

    Attributes:
        num_evaluations: so far.

    Raises:
        ValueError: another objective, tolerances of 0 or less, or guidance that is not a function of the timestep.
    """

    def __init__(
        self,
        model: GuidedModel,
        *,
        objective: DenoisingObjective,
        rtol: float = 1e-3,
        atol: float = 1e-3,
        kept: GivenLatents | None = None,
    ) -> None:
        if objective.name == "ddpm":
            raise ValueError(
                f"sampler='dopri5' solves the flow of objective='flow_matching' and this model has {objective.name!r}, "
                "whose noise levels are discrete; use euler (DDIM), unipc or dpmsolver++."
            )
        if rtol <= 0 or atol <= 0:
            raise ValueError(f"rtol={rtol} and atol={atol} must be above 0, for example 1e-3.")
        if model.guidance.every > 1:
            raise ValueError(
                f"guidance_every={model.guidance.every} needs a solver of equal steps; sampler='dopri5' goes back and "
                "forth: leave it at 1."
            )
        self.model, self.objective, self.kept = model, objective, kept
        self.rtol, self.atol = rtol, atol
        self.num_evaluations = 0

    def solve(self, latents: torch.Tensor) -> torch.Tensor:
        """From noise `(videos, frames, channels, height, width)` to clips, what is given in its place.

        Raises:
            ImportError: torchdiffeq is not installed.
            ValueError: the tolerance cannot be kept.
        """
        odeint = require("torchdiffeq").odeint
        if self.kept is not None:
            latents = self.kept.put(latents)
        span = torch.tensor([1.0, _LAST_TIMESTEP], device=latents.device)
        # Left alone it steps beyond the end, where the model knows nothing, and interpolates.
        options = {"max_num_steps": _MOST_STEPS, "step_t": span[-1:]}
        tolerances = {"rtol": self.rtol, "atol": self.atol, "options": options}
        try:
            end = odeint(self._velocity, latents, span, method="dopri5", **tolerances)[-1]
        except AssertionError as error:  # torchdiffeq's steps vanish, or are too many
            raise ValueError(
                f"sampler='dopri5' does not reach rtol={self.rtol:g}, atol={self.atol:g} within {_MOST_STEPS} steps "
                f"({error}): raise them, widen guidance_interval, or use another sampler."
            ) from error
        sample = self._predict(span[-1], end, to="sample")
        return sample if self.kept is None else self.kept.put(sample)

    def _velocity(self, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        velocity = self._predict(timestep, latents, to="velocity")
        return velocity if self.kept is None else self.kept.put(velocity, torch.zeros(()).to(velocity))

    def _predict(self, timestep: torch.Tensor, latents: torch.Tensor, *, to: str) -> torch.Tensor:
        self.num_evaluations += 1
        at = timestep.float().expand(latents.shape[0])
        if self.kept is not None:
            latents, at = self.kept.put(latents), self.kept.timesteps(at)
        prediction = self.model(latents.to(self.model.transformer.dtype), at, at=float(timestep)).float()
        return self.objective.convert(prediction, latents, at, to=to)  # type: ignore[arg-type]
