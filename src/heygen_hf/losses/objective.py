"""What every denoising objective shares: the three things a model may predict, and the loss over one of them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from heygen_hf.losses.timesteps import per_frame, shift_timesteps, stratified_uniform

PredictionType = Literal["sample", "velocity", "noise"]
# Below it float32 has no digits left to divide.
SMALLEST_DIVISOR = 1e-4

Denoise = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class ObjectiveOutput:
    """The result of one noised forward pass.

    Attributes:
        loss: scalar, the mean of `loss_per_sample`.
        loss_per_sample: `(batch,)`, mean over a sample's frames that were not given (timestep above 0).
        prediction: what the model returned, `(batch, frames, channels, height, width)`.
    """

    loss: torch.Tensor
    loss_per_sample: torch.Tensor
    prediction: torch.Tensor


class DenoisingObjective(ABC):
    """Noises a clip, asks `denoise` for a prediction and compares.

    Args:
        prediction_type: what `denoise` returns.
        loss_space: in which of the three the squared error is taken; a prediction of another kind is converted.
        timestep_shift: how far training timesteps lean towards noise (`shift_timesteps`); 1.0 is uniform.
        min_timestep: the loss divides by the timestep as if it were at least this, so that the velocity of a
            predicted sample stays bounded near 0. Sampling divides by the timestep as it is.
    """

    name: str

    def __init__(
        self,
        *,
        prediction_type: PredictionType = "velocity",
        loss_space: PredictionType = "velocity",
        timestep_shift: float = 1.0,
        min_timestep: float = 0.05,
    ) -> None:
        for field, value in (("prediction_type", prediction_type), ("loss_space", loss_space)):
            if value not in get_args(PredictionType):
                raise ValueError(f"{field}={value!r} is unknown: use one of {', '.join(get_args(PredictionType))}.")
        if not 0 < min_timestep < 1:
            raise ValueError(f"min_timestep must lie between 0 and 1, got {min_timestep}.")
        self.prediction_type: PredictionType = prediction_type
        self.loss_space: PredictionType = loss_space
        self.timestep_shift = timestep_shift
        self.min_timestep = min_timestep

    def draw_timesteps(self, count: int, *, generator: torch.Generator | None = None) -> torch.Tensor:
        """`(count,)` training timesteps in (0, 1], stratified over `count`, shifted towards noise, on the CPU."""
        # 1 - u lies in (0, 1]: a drawn timestep is never 0, which would mean "given" and drop out of the loss.
        return shift_timesteps(1 - stratified_uniform(count, generator=generator), self.timestep_shift)

    @abstractmethod
    def signal_and_noise(self, timestep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors of sample and noise in `add_noise` at a timestep of any shape."""

    @abstractmethod
    def convert(
        self,
        prediction: torch.Tensor,
        noisy: torch.Tensor,
        timestep: torch.Tensor,
        *,
        to: PredictionType,
        min_divisor: float = SMALLEST_DIVISOR,
    ) -> torch.Tensor:
        """The prediction (of `self.prediction_type`) at `noisy` as a sample, a velocity or a noise.

        Args:
            prediction, noisy: `(batch, frames, channels, height, width)`.
            timestep: `(batch,)` or `(batch, frames)`.
            min_divisor: divisors that vanish with the timestep are kept at least this large.
        """

    @abstractmethod
    def velocity(self, sample: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The true velocity, shaped like `sample`."""

    def add_noise(self, sample: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """The noisy clip at `timestep`, shaped like `sample`; frames at timestep 0 are returned as they are."""
        signal_factor, noise_factor = self.signal_and_noise(per_frame(timestep, sample))
        return signal_factor * sample + noise_factor * noise

    def __call__(
        self, denoise: Denoise, *, sample: torch.Tensor, noise: torch.Tensor, timestep: torch.Tensor
    ) -> ObjectiveOutput:
        """One training forward pass.

        Args:
            denoise: `(noisy, timestep) -> prediction`, any callable: this package's model or another library's.
            sample: clean clip or latents, `(batch, frames, channels, height, width)`.
            noise: standard normal, shaped like `sample`.
            timestep: `(batch,)`, `(batch, frames)` or `(batch, frames, rows, columns)` in [0, 1].
        """
        if noise.shape != sample.shape:
            raise ValueError(
                f"noise has shape {tuple(noise.shape)}, the sample {tuple(sample.shape)}; they must agree."
            )
        noisy = self.add_noise(sample, noise, timestep)
        prediction = denoise(noisy, timestep)
        per_sample = self.loss(prediction.float(), sample=sample, noise=noise, timestep=timestep)
        return ObjectiveOutput(loss=per_sample.mean(), loss_per_sample=per_sample, prediction=prediction)

    def loss(
        self,
        prediction: torch.Tensor,
        *,
        sample: torch.Tensor,
        noise: torch.Tensor,
        timestep: torch.Tensor,
    ) -> torch.Tensor:
        """Squared error in `loss_space`, averaged per sample over the frames above timestep 0: `(batch,)`."""
        targets = {"sample": sample, "noise": noise}
        target = targets.get(self.prediction_type)
        if target is None:
            target = self.velocity(sample, noise, timestep)
        return self.error(prediction, target, timestep)

    def error(self, prediction: torch.Tensor, target: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """As `loss`, from any target of the prediction's kind, such as another model's prediction."""
        scale = self._error_scale(timestep, target)
        return mean_over_generated_frames(((prediction - target) * scale).square(), timestep)

    def _error_scale(self, timestep: torch.Tensor, sample: torch.Tensor) -> torch.Tensor | float:
        """What an error of the prediction is, as an error in `loss_space`.

        The noisy clip is given, so an error of the velocity is one of the sample times its noise factor, and one of
        the noise times its signal factor, in flow matching and DDPM alike. Scaling the error, rather than converting
        prediction and target, keeps the loss of a perfect prediction at 0 where a divisor is bounded.
        """
        if self.prediction_type == self.loss_space:
            return 1.0
        signal, noise = self.signal_and_noise(per_frame(timestep, sample))
        of_velocity = {"sample": noise, "noise": signal, "velocity": torch.ones_like(noise)}
        return of_velocity[self.loss_space] / of_velocity[self.prediction_type].clamp(min=self.min_timestep)


def mean_over_generated_frames(error: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
    """Mean of `(batch, frames, channels, height, width)` per sample, over frames whose timestep is above 0.

    With a timestep for each patch, over the patches whose is. A sample of which everything is given has loss 0.
    """
    if timestep.ndim == 4:
        generated = (per_frame(timestep, error) > 0).to(error.dtype)
        total = (error.mean(dim=2, keepdim=True) * generated).sum(dim=(1, 2, 3, 4))
        return total / generated.sum(dim=(1, 2, 3, 4)).clamp(min=1.0)
    if timestep.ndim == 1:
        return error.mean(dim=(1, 2, 3, 4)) * (timestep > 0)
    generated = (timestep > 0).to(error.dtype)
    return (error.mean(dim=(2, 3, 4)) * generated).sum(dim=1) / generated.sum(dim=1).clamp(min=1.0)
