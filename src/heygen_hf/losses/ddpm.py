"""Denoising diffusion on a discrete variance-preserving schedule (Ho et al. 2020, arXiv:2006.11239)."""

import torch

from heygen_hf.losses.objective import SMALLEST_DIVISOR, DenoisingObjective, PredictionType
from heygen_hf.losses.timesteps import per_frame

BETA_START, BETA_END = 0.0001, 0.02


class DDPMObjective(DenoisingObjective):
    """`noisy = sqrt(a) * sample + sqrt(1 - a) * noise` with the linear schedule's cumulative product `a`.

    A continuous timestep t in (0, 1] stands for the discrete step `ceil(t * num_train_timesteps) - 1`, the numbering
    of diffusers' schedulers; t = 0 is the clean clip. The velocity is `sqrt(a) * noise - sqrt(1 - a) * sample`
    (Salimans & Ho 2022, arXiv:2202.00512).

    Args:
        num_train_timesteps: length of the schedule.
        alphas_cumprod: `(num_train_timesteps,)`, another schedule's product, such as a scheduler's of diffusers.
        others: see `DenoisingObjective`.
    """

    name = "ddpm"

    def __init__(
        self, *, num_train_timesteps: int = 1000, alphas_cumprod: torch.Tensor | None = None, **options: object
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self.num_train_timesteps = num_train_timesteps
        if alphas_cumprod is None:
            betas = torch.linspace(BETA_START, BETA_END, num_train_timesteps, dtype=torch.float64)
            alphas_cumprod = (1 - betas).cumprod(0)
        elif alphas_cumprod.shape != (num_train_timesteps,):
            raise ValueError(
                f"alphas_cumprod has shape {tuple(alphas_cumprod.shape)}; expected ({num_train_timesteps},), a value "
                "for each of num_train_timesteps"
            )
        # Entry 0 is the clean clip, entry k + 1 is diffusers' step k.
        self.alphas_cumprod = torch.cat((torch.ones(1, dtype=torch.float64), alphas_cumprod.double().cpu())).float()

    def signal_and_noise(self, timestep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        # A hair is taken off so that a step's own timestep (k + 1) / 1000, which float32 may round up, stays that step.
        steps = torch.ceil(timestep * self.num_train_timesteps - 1e-3).long().clamp(0, self.num_train_timesteps)
        alphas = self.alphas_cumprod.to(timestep.device)[steps]
        return alphas.sqrt(), (1 - alphas).sqrt()

    def velocity(self, sample: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        signal_factor, noise_factor = self.signal_and_noise(per_frame(timestep, sample))
        return signal_factor * noise - noise_factor * sample

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
        signal_factor, noise_factor = self.signal_and_noise(per_frame(timestep, noisy))
        if self.prediction_type == "velocity":
            sample = signal_factor * noisy - noise_factor * prediction
        elif self.prediction_type == "noise":
            sample = (noisy - noise_factor * prediction) / signal_factor.clamp(min=min_divisor)
        else:
            sample = prediction
        if to == "sample":
            return sample
        if self.prediction_type == "noise":
            noise = prediction
        else:
            noise = (noisy - signal_factor * sample) / noise_factor.clamp(min=min_divisor)
        return noise if to == "noise" else signal_factor * noise - noise_factor * sample
