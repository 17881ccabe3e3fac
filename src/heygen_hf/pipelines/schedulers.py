"""From a model's objective to diffusers' schedulers, and back at every step."""

import inspect
from typing import Any, Literal, get_args

import numpy as np
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    SchedulerMixin,
    UniPCMultistepScheduler,
)

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

# "dopri5" has no scheduler: see `ode_sampling.py`.
Sampler = Literal["euler", "heun", "unipc", "dpmsolver++", "dopri5"]
# A start at exactly 1 has no signal, and the multistep solvers take the logarithm of its share.
_LARGEST_SIGMA = 1 - 1e-6


def build_scheduler(config: VideoTransformerConfig, sampler: Sampler = "euler") -> SchedulerMixin:
    """The scheduler that samples what `config.objective` trains.

    Args:
        sampler: "euler" (DDIM for DDPM), "heun" (two evaluations a step, flow matching only), "unipc" (Zhao et al.
            2023, arXiv:2302.04867) or "dpmsolver++" (Lu et al. 2022, arXiv:2211.01095), both of order 2 at one
            evaluation a step.

    Raises:
        ValueError: no such sampler, or not for this objective.
    """
    if sampler not in get_args(Sampler):
        raise ValueError(f"sampler={sampler!r} is unknown; use one of {', '.join(get_args(Sampler))}.")
    if sampler == "dopri5":
        raise ValueError("sampler='dopri5' chooses its steps itself and has no scheduler; pass it to the pipeline.")
    if config.objective == "ddpm":
        if sampler == "heun":
            raise ValueError(
                "sampler='heun' is for flow matching and this model was trained with objective='ddpm'; use euler "
                "(which is DDIM there), unipc or dpmsolver++."
            )
        schedule: dict[str, Any] = {
            "num_train_timesteps": config.num_train_timesteps,
            "beta_start": BETA_START,
            "beta_end": BETA_END,
            "beta_schedule": "linear",
            "prediction_type": _NAMES[config.prediction_type],
            "timestep_spacing": "trailing",
        }
        if sampler == "euler":
            return DDIMScheduler(**schedule, clip_sample=False, set_alpha_to_one=True)
        return _multistep(sampler, **schedule)
    shift = float(config.timestep_shift)
    if sampler == "euler":
        return FlowMatchEulerDiscreteScheduler(shift=shift)
    if sampler == "heun":
        return FlowMatchHeunDiscreteScheduler(shift=shift)
    return _multistep(sampler, prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=shift)


def _multistep(sampler: str, **options: Any) -> SchedulerMixin:
    if sampler == "unipc":
        return UniPCMultistepScheduler(solver_order=2, **options)
    return DPMSolverMultistepScheduler(solver_order=2, algorithm_type="dpmsolver++", **options)


def solver_order(scheduler: SchedulerMixin) -> int:
    """The order of a scheduler's solver: 1 for Euler and DDIM."""
    if isinstance(scheduler, FlowMatchHeunDiscreteScheduler):
        return 2
    return int(scheduler.config.get("solver_order", 1))


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
    """Prepare a scheduler for a run and return its timesteps, `(evaluations,)`, noisiest first.

    Flow matching goes from 1 to 0 in equal parts before the scheduler's own shift, whatever the solver. Heun's has two
    evaluations a step, but for the last one, which goes to 0.

    Raises:
        ValueError: fewer steps than the solver's order.
    """
    order = solver_order(scheduler)
    if num_inference_steps < order:
        raise ValueError(
            f"num_inference_steps={num_inference_steps} is less than the order {order} of "
            f"{type(scheduler).__name__}: use {order} steps or more, or sampler='euler'."
        )
    options: dict[str, Any] = {"device": device}
    takes_sigmas = "sigmas" in inspect.signature(scheduler.set_timesteps).parameters
    if "FlowMatch" in type(scheduler).__name__ and takes_sigmas:
        options["sigmas"] = np.linspace(1.0, 1.0 / num_inference_steps, num_inference_steps)
    else:
        options["num_inference_steps"] = num_inference_steps
    scheduler.set_timesteps(**options)
    if isinstance(scheduler, FlowMatchHeunDiscreteScheduler):
        # Its own end, a step of fixed size from the smallest training timestep, would be most of its error.
        sigmas = _flow_sigmas(num_inference_steps, scheduler.config.shift)
        scheduler.sigmas = torch.cat((sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:])).to(device)
        timesteps = torch.cat((sigmas[:1], sigmas[1:-1].repeat_interleave(2)))
        scheduler.timesteps = (timesteps * scheduler.config.num_train_timesteps).to(device)
    elif scheduler.config.get("use_flow_sigmas"):
        scheduler.sigmas = _flow_sigmas(num_inference_steps, scheduler.config.flow_shift).clamp(max=_LARGEST_SIGMA)
    if hasattr(scheduler, "set_begin_index"):
        # Whole timesteps may repeat, and a solver that looks its place up would start at the second.
        scheduler.set_begin_index(0)
    return scheduler.timesteps


def _flow_sigmas(num_inference_steps: int, shift: float) -> torch.Tensor:
    """`(steps + 1,)` from 1 to 0."""
    sigmas = torch.linspace(1, 0, num_inference_steps + 1, dtype=torch.float64)
    return (shift * sigmas / (1 + (shift - 1) * sigmas)).float()


def model_timesteps(scheduler: SchedulerMixin, *, objective: str) -> torch.Tensor:
    """All timesteps of a run that was set, as the model's, `(evaluations,)`."""
    if scheduler.config.get("use_flow_sigmas"):
        # Its timesteps are whole numbers, its noise levels are not.
        return scheduler.sigmas[:-1].float().to(scheduler.timesteps.device)
    return model_timestep(scheduler, scheduler.timesteps, objective=objective)


def model_timestep(scheduler: SchedulerMixin, timestep: torch.Tensor, *, objective: str) -> torch.Tensor:
    """A scheduler's timestep as the model's, in [0, 1] with 0 clean and 1 noise.

    DDPM's discrete step k stands for the (k + 1)-th noise level.
    """
    count = scheduler.config.num_train_timesteps
    return (timestep.float() + (1 if objective == "ddpm" else 0)) / count
