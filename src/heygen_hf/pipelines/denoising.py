"""The sampling loop: from noise to the transformer's clips, step by step."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, SchedulerMixin

from heygen_hf.losses import DenoisingObjective
from heygen_hf.models.video_transformer import build_objective
from heygen_hf.pipelines.block_caching import cached_blocks
from heygen_hf.pipelines.given_frames import GivenClips, GivenLatents, missing_pattern
from heygen_hf.pipelines.guidance import GuidedModel, guidance_of
from heygen_hf.pipelines.latents import draw_latents
from heygen_hf.pipelines.ode_sampling import OdeRun
from heygen_hf.pipelines.schedulers import (
    build_scheduler,
    model_timesteps,
    set_timesteps,
    wanted_prediction,
)

# What a call can say about sampling, and its value where it does not; see `VideoGenerationPipeline.__call__`.
SAMPLING_DEFAULTS: dict[str, Any] = {
    "num_inference_steps": None,
    "sampler": None,
    "guidance_scale": None,
    "guidance_interval": None,
    "guidance_rescale": 0.0,
    "guidance_every": 1,
    "skip_guidance_layers": None,
    "skip_guidance_scale": 1.0,
    "rtol": 1e-3,
    "atol": 1e-3,
    "block_cache_threshold": 0.0,
}


def sampling_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of options for sampling those that say something.

    Raises:
        ValueError: one that is none.
    """
    for name in given:
        if name not in SAMPLING_DEFAULTS:
            raise ValueError(f"{name!r} is no option of sampling; known are {', '.join(SAMPLING_DEFAULTS)}.")
    return {name: value for name, value in given.items() if value is not None and value != SAMPLING_DEFAULTS[name]}


class SamplingRun:
    """One way from noise to a clip: a model under guidance, a solver, a number of steps.

    Args:
        model: what predicts.
        scheduler: any of diffusers'; its state is this run's from now on.
        objective: what the model was trained for.
        num_inference_steps: of the solver.
        kept: what is given.

    Attributes:
        timesteps: the scheduler's, one for each evaluation of the model.
        num_evaluations: evaluations so far; guidance does not count here, see `GuidedModel.num_rows`.
    """

    def __init__(
        self,
        model: GuidedModel,
        scheduler: SchedulerMixin,
        *,
        objective: DenoisingObjective,
        num_inference_steps: int,
        device: torch.device,
        kept: GivenLatents | None = None,
    ) -> None:
        self.model, self.scheduler, self.objective, self.kept = model, scheduler, objective, kept
        self.wanted = wanted_prediction(scheduler)
        self.timesteps = set_timesteps(scheduler, num_inference_steps, device=device)
        self.model_timesteps = model_timesteps(scheduler, objective=objective.name).to(device)
        self._levels = self.model_timesteps.tolist()  # read once: a GPU would wait at every step
        self.num_evaluations = 0
        # A mean velocity crosses Euler's step exactly; other solvers want the velocity itself.
        crosses = objective.name == "mean_flow" and isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
        self._ends: list[float | None] = [*self._levels[1:], 0.0] if crosses else [None] * len(self._levels)

    def step(self, index: int, latents: torch.Tensor) -> torch.Tensor:
        """Clips `(videos, frames, channels, height, width)` after evaluation `index`, what is given in its place."""
        scheduler_timestep = self.timesteps[index]
        timestep = self.model_timesteps[index].expand(latents.shape[0])
        scaled = latents
        if hasattr(self.scheduler, "scale_model_input"):
            scaled = self.scheduler.scale_model_input(latents, scheduler_timestep)
        if self.kept is not None:
            scaled, timestep = self.kept.put(scaled), self.kept.timesteps(timestep)
        dtype = self.model.transformer.dtype
        prediction = self.model(scaled.to(dtype), timestep, at=self._levels[index], end=self._ends[index]).float()
        self.num_evaluations += 1
        prediction = self.objective.convert(prediction, scaled, timestep, to=self.wanted)
        if self.kept is not None:
            # Nobody asked; solvers that keep earlier predictions or measure their size shall not see them.
            prediction = self.kept.put(prediction, torch.zeros(()).to(prediction))
        latents = self.scheduler.step(prediction, scheduler_timestep, latents, return_dict=False)[0]
        return latents if self.kept is None else self.kept.put(latents)


class DenoisingMixin:
    """The loop of a pipeline: its options, its callbacks, its counts."""

    transformer: Any
    scheduler: SchedulerMixin
    vae: Any
    config: Any

    _warned_of: set[str]
    _interrupt: bool

    def _denoise(
        self,
        shape: tuple[int, ...],
        conditions: dict[str, torch.Tensor],
        *,
        given: GivenClips | None,
        latents: torch.Tensor | None,
        options: Mapping[str, Any],
        noise_std: float = 0.0,
    ) -> torch.Tensor:
        """From noise to the transformer's clips `(videos, frames, channels, height, width)`: the sampling loop.

        Args:
            noise_std: of the noise on what is given, as the transformer sees it.
        """
        latents, kept = self._start(shape, given=given, latents=latents, options=options)
        clean = None if kept is None else kept.clip
        if kept is not None and noise_std:
            kept = GivenLatents(kept.clip + noise_std * latents, kept.given, kept.patch_size)
        latents = self._sample(self.transformer, latents, conditions, kept=kept, options=options)
        return latents if kept is None else kept.put(latents, clean)

    def _start(
        self,
        shape: tuple[int, ...],
        *,
        given: GivenClips | None,
        latents: torch.Tensor | None,
        options: Mapping[str, Any],
    ) -> tuple[torch.Tensor, GivenLatents | None]:
        """The noise to start from, and what is given as the transformer sees it."""
        device = self._execution_device  # type: ignore[attr-defined]
        kept = None
        if given is not None:
            self._warn_of(missing_pattern(self.transformer.config.given_frame_patterns, given.pattern()))
            kept = given.to_transformer(self.transformer.config, self.vae, device=device)
        if latents is None:
            latents = draw_latents(shape, generator=options["generator"])
        elif latents.shape != shape:
            raise ValueError(f"latents has shape {tuple(latents.shape)}; expected {shape}.")
        return latents.to(device=device, dtype=torch.float32), kept

    def _sample(
        self,
        transformer: Any,
        latents: torch.Tensor,
        conditions: dict[str, torch.Tensor],
        *,
        kept: GivenLatents | None,
        options: Mapping[str, Any],
    ) -> torch.Tensor:
        """Step by step from noise `(videos, frames, channels, height, width)`; what is given stays as it is."""
        objective = build_objective(self.transformer.config)
        guidance = guidance_of(options, default_scale=self.config.guidance_scale)
        model = GuidedModel(transformer, guidance, conditions, objective=objective, kept=kept, noise=latents)
        with cached_blocks(transformer, options.get("block_cache_threshold") or 0.0) as cache:
            if options.get("sampler") == "dopri5":
                latents, num_evaluations = self._solve(model, latents, kept=kept, options=options)
            else:
                steps = options["num_inference_steps"]
                run = SamplingRun(
                    model,
                    self._scheduler_of(options.get("sampler")),
                    objective=objective,
                    num_inference_steps=self.config.num_inference_steps if steps is None else steps,
                    device=latents.device,
                    kept=kept,
                )
                self._num_timesteps = len(run.timesteps)
                latents = self._loop(run, latents, options)
                num_evaluations = run.num_evaluations
        self._num_function_evaluations += num_evaluations
        self._num_rows += model.num_rows
        self._num_reused += 0 if cache is None else cache.num_reused
        return latents

    def _solve(
        self, model: GuidedModel, latents: torch.Tensor, *, kept: GivenLatents | None, options: Mapping[str, Any]
    ) -> tuple[torch.Tensor, int]:
        """The clips by the adaptive solver, and its evaluations."""
        if options["callback_on_step_end"] is not None:
            raise ValueError("sampler='dopri5' has no steps to call callback_on_step_end after; use another sampler.")
        if options.get("block_cache_threshold"):
            raise ValueError(
                f"block_cache_threshold={options['block_cache_threshold']} needs a solver that goes from step to step; "
                "sampler='dopri5' goes back and forth: leave it at 0."
            )
        run = OdeRun(model, objective=model.objective, rtol=options["rtol"], atol=options["atol"], kept=kept)
        latents = run.solve(latents)
        self._num_timesteps = run.num_evaluations
        return latents, run.num_evaluations

    def _loop(self, run: SamplingRun, latents: torch.Tensor, options: Mapping[str, Any]) -> torch.Tensor:
        callback, names = options["callback_on_step_end"], options["callback_on_step_end_tensor_inputs"]
        with self.progress_bar(total=len(run.timesteps)) as progress:  # type: ignore[attr-defined]
            for i, scheduler_timestep in enumerate(run.timesteps):
                latents = run.step(i, latents)
                if callback is not None:
                    tensors = {}
                    for name in names:
                        tensors[name] = locals()[name]
                    changed = callback(self, i, scheduler_timestep, tensors) or {}
                    latents = changed.pop("latents", latents)
                progress.update()
                if self._interrupt:
                    break
        return latents

    def _scheduler_of(self, sampler: str | None) -> SchedulerMixin:
        """The pipeline's own scheduler, or the one that a call names."""
        return self.scheduler if sampler is None else build_scheduler(self.transformer.config, sampler)  # type: ignore[arg-type]

    def _warn_of(self, what: str | None) -> None:
        """Warn of something once in the life of this pipeline."""
        if what is not None and what not in self._warned_of:
            self._warned_of.add(what)
            warnings.warn(what, UserWarning, stacklevel=5)

    def _check_callback_inputs(self, names: list[str] | tuple[str, ...]) -> None:
        unknown = [name for name in names if name not in self._callback_tensor_inputs]
        if unknown:
            raise ValueError(
                f"callback_on_step_end_tensor_inputs has {unknown}; known: {self._callback_tensor_inputs}."
            )
