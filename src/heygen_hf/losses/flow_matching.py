"""Flow matching on straight paths (Lipman et al. 2022, arXiv:2210.02747; Liu et al. 2022, arXiv:2209.03003)."""

import torch

from heygen_hf.losses.objective import SMALLEST_DIVISOR, DenoisingObjective, PredictionType
from heygen_hf.losses.timesteps import per_frame

# At timestep 1 a predicted noise says nothing about the sample: dividing by less would only enlarge its error.
SMALLEST_SIGNAL = 0.02


class FlowMatchingObjective(DenoisingObjective):
    """`noisy = (1 - t) * sample + t * noise`; the velocity is `noise - sample`.

    Predicting the sample with the loss on the velocity (Li & He 2025, arXiv:2511.13720) is what lets large pixel
    patches work: a clean patch lies on a low-dimensional manifold, noise does not.

    Example:
        >>> objective = FlowMatchingObjective(prediction_type="sample", timestep_shift=4.0)
        >>> output = objective(lambda noisy, t: 0 * noisy, sample=x, noise=torch.randn_like(x), timestep=t)
    """

    name = "flow_matching"

    def signal_and_noise(self, timestep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 1 - timestep, timestep

    def velocity(
        self,
        sample: torch.Tensor,
        noise: torch.Tensor,
        timestep: torch.Tensor,  # noqa: ARG002 - the path is straight: the same everywhere
    ) -> torch.Tensor:
        return noise - sample

    def convert(
        self,
        prediction: torch.Tensor,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        *,
        to: PredictionType,
        min_divisor: float = SMALLEST_DIVISOR,
    ) -> torch.Tensor:
        if to == self.prediction_type:
            return prediction
        t = per_frame(timestep, noisy)
        if self.prediction_type == "sample":
            velocity = (noisy - prediction) / t.clamp(min=min_divisor)
        elif self.prediction_type == "velocity":
            velocity = prediction
        else:
            velocity = (prediction - noisy) / (1 - t).clamp(min=max(min_divisor, SMALLEST_SIGNAL))
        if to == "velocity":
            return velocity
        return noisy - t * velocity if to == "sample" else noisy + (1 - t) * velocity
