"""From a model's objective to diffusers' schedulers, and back at every step."""

import inspect
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, SchedulerMixin

from heygen_hf.losses import PredictionType
from heygen_hf.losses.ddpm import BETA_END, BETA_START
from heygen_hf.models.video_transformer import VideoTransformerConfig

# What diffusers' schedulers call the three kinds of prediction.
_KINDS: dict[str, PredictionType] = {
    "epsilon": "noise",
    "v_prediction": "velocity",
    "flow_prediction": "velocity",
    "sample": "sample",
}
_NAMES = {"noise": "epsilon", "velocity": "v_prediction", "sample": "sample"}


def build_scheduler(config: VideoTransformerConfig) -> SchedulerMixin:
    """The scheduler that samples what `config.objective` trains: Euler for flow matching, DDIM for DDPM."""
    if config.objective == "ddpm":
        return DDIMScheduler(
            num_train_timesteps=config.num_train_timesteps,
            beta_start=BETA_START,
            beta_end=BETA_END,
            beta_schedule="linear",
            prediction_type=_NAMES[config.prediction_type],
            timestep_spacing="trailing",
            clip_sample=False,
            set_alpha_to_one=True,
        )
    return FlowMatchEulerDiscreteScheduler(shift=float(config.timestep_shift))


def wanted_prediction(scheduler: SchedulerMixin) -> PredictionType:
    """The kind of prediction a scheduler's `step` takes.

    Raises:
        ValueError: it names a kind that is none of the known ones.
    """
    if "FlowMatch" in type(scheduler).__name__:
        return "velocity"
    name = scheduler.config.get("prediction_type", "epsilon")
    if name not in _KINDS:
        raise ValueError(f"the scheduler's prediction_type={name!r} is unknown; use one of {', '.join(_KINDS)}.")
    return _KINDS[name]


def set_timesteps(scheduler: SchedulerMixin, num_inference_steps: int, *, device: torch.device) -> torch.Tensor:
    """Prepare a scheduler for a run and return its timesteps, `(steps,)`, noisiest first.

    Flow matching goes from 1 to 0 in equal parts before the scheduler's own shift.
    """
    options: dict[str, Any] = {"device": device}
    takes_sigmas = "sigmas" in inspect.signature(scheduler.set_timesteps).parameters
    if "FlowMatch" in type(scheduler).__name__ and takes_sigmas:
        options["sigmas"] = np.linspace(1.0, 1.0 / num_inference_steps, num_inference_steps)
    else:
        options["num_inference_steps"] = num_inference_steps
    scheduler.set_timesteps(**options)
    return scheduler.timesteps


def model_timestep(scheduler: SchedulerMixin, timestep: torch.Tensor, *, objective: str) -> torch.Tensor:
    """A scheduler's timestep as the model's, in [0, 1] with 0 clean and 1 noise.

    DDPM's discrete step k stands for the (k + 1)-th noise level.
    """
    count = scheduler.config.num_train_timesteps
    return (timestep.float() + (1 if objective == "ddpm" else 0)) / count
