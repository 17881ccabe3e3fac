"""What a teacher does between the timesteps of a student with fewer steps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from heygen_hf.models.video_transformer import VideoTransformerModel, build_objective
from heygen_hf.pipelines.denoising import SamplingRun
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.pipelines.guidance import Guidance, GuidedModel
from heygen_hf.pipelines.schedulers import build_scheduler, model_timesteps, set_timesteps


@dataclass(frozen=True)
class Segments:
    """A student's steps as pairs to learn from: all clips at its first timestep, then all at its second, ….

    Attributes:
        sample, noise: `(steps * clips, frames, channels, height, width)`: noised to `timestep` they are where the step
            starts, and a student that predicts this sample (or noise, or velocity) there ends where the teacher did.
        timestep: `(steps * clips,)`, or shaped like what is given.
    """

    sample: torch.Tensor
    noise: torch.Tensor
    timestep: torch.Tensor


class Teacher:
    """A frozen model whose trajectories are cut into the steps of a student (Salimans & Ho 2022, arXiv:2202.00512).

    From noise the guided teacher goes its way in `teacher_steps`; every `teacher_steps / to_steps` of them are one step
    of the student, which is asked for the one sample that leads from its start to its end (Heek et al. 2024,
    arXiv:2403.06807, with a consistency function for each step). So the student sees what the teacher's own
    trajectories hold, which guidance moves away from those of noised clips.

    Args:
        transformer: the model; its parameters are frozen here.
        to_steps: of the student.
        teacher_steps: a multiple of it.
        guidance_scale: of the teacher.

    Raises:
        ValueError: a model that predicts noise: at the start there is nothing but noise, and a prediction of it says
            nothing of the sample; or guidance by a condition that it does not take.
    """

    def __init__(
        self,
        transformer: VideoTransformerModel,
        *,
        to_steps: int,
        teacher_steps: int,
        guidance_scale: float | dict[str, float],
    ) -> None:
        if transformer.config.prediction_type == "noise":
            raise ValueError(
                "a model with prediction_type='noise' cannot be distilled: at pure noise its prediction says nothing "
                "of the sample; train one that predicts the sample or the velocity."
            )
        if transformer.config.objective == "mean_flow":
            raise ValueError(
                "a model with objective='mean_flow' is not distilled: it crosses any interval in one step already; "
                "sample it with num_inference_steps=1 or more."
            )
        self.transformer = transformer.requires_grad_(False).eval()
        self.to_steps, self.teacher_steps = to_steps, teacher_steps
        self.guidance = Guidance(scale=guidance_scale)
        unknown = set(self.guidance.scales()) - {None, "image", *transformer.config.conditions}
        if unknown:
            known = ", ".join((*transformer.config.conditions, "image"))
            raise ValueError(f"teacher_guidance_scale names {unknown.pop()!r}; this teacher's conditions are {known}.")
        self.objective = build_objective(transformer.config)

    @property
    def timesteps(self) -> list[float]:
        """The student's, from 1 downwards."""
        scheduler = build_scheduler(self.transformer.config)
        set_timesteps(scheduler, self.to_steps, device=torch.device("cpu"))
        return model_timesteps(scheduler, objective=self.objective.name).tolist()

    @torch.no_grad()
    def segments(
        self, noise: torch.Tensor, conditions: Mapping[str, Any], *, kept: GivenLatents | None = None
    ) -> Segments:
        """Go from `noise` `(clips, frames, channels, height, width)` to clips.

        Args:
            conditions: the transformer's condition arguments, one row per clip.
            kept: what is given.
        """
        guidance = self.guidance
        if kept is None and isinstance(guidance.scale, Mapping):
            # whole clips are learned too, and there nothing is given to guide by
            scale = {name: value for name, value in guidance.scale.items() if name != "image"}
            guidance = replace(guidance, scale=scale)
        model = GuidedModel(self.transformer, guidance, conditions, objective=self.objective, kept=kept, noise=noise)
        run = SamplingRun(
            model,
            build_scheduler(self.transformer.config),
            objective=self.objective,
            num_inference_steps=self.teacher_steps,
            device=noise.device,
            kept=kept,
        )
        between = self.teacher_steps // self.to_steps
        latents = noise if kept is None else kept.put(noise)
        places = [latents]
        for index in range(self.teacher_steps):
            latents = run.step(index, latents)
            if (index + 1) % between == 0:
                places.append(latents)
        levels = [*run.model_timesteps[::between], noise.new_zeros(())]
        pairs = [
            self._pair(*places[step : step + 2], *levels[step : step + 2], kept=kept) for step in range(self.to_steps)
        ]
        return Segments(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))

    def _pair(
        self,
        start: torch.Tensor,
        end: torch.Tensor,
        timestep: torch.Tensor,
        end_timestep: torch.Tensor,
        *,
        kept: GivenLatents | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The sample and the noise whose line `signal * sample + noise factor * noise` runs through both places."""
        (signal, sigma), (end_signal, end_sigma) = map(self.objective.signal_and_noise, (timestep, end_timestep))
        sample = (sigma * end - end_sigma * start) / (sigma * end_signal - end_sigma * signal)
        noise = (start - signal * sample) / sigma
        timesteps = timestep.expand(len(start))
        if kept is None:
            return sample, noise, timesteps
        return kept.put(sample), noise, kept.timesteps(timesteps)
