"""What training asks of a transformer is what its pipeline's scheduler takes it for."""

import numpy as np
import pytest
import torch
from diffusers.pipelines.mochi.pipeline_mochi import linear_quadratic_schedule
from sampling import Run, collated, family_around, latent_shape
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf.losses import shift_timesteps

FAMILIES = [name for name in TINY_CLIPS if not ({"image", "vace", "control"} & set(name.split("_")))]
STEPS = 5  # divides the 1000 of CogVideoX


class _Oracle:
    """In the place of a transformer's forward pass: what training would have it say, were `sample` all the data."""

    def __init__(self, run_name: str, family, sample: torch.Tensor) -> None:
        self.name, self.family, self.sample = run_name, family, sample
        tokens = sample[:, :, 0].numel()
        self.objective = family.objective(tokens=tokens)

    def __call__(self, hidden_states: torch.Tensor, timestep: torch.Tensor, **_: object) -> tuple[torch.Tensor]:
        noisy, at = self._noisy(hidden_states), self._timestep(timestep)
        signal, noise = (value.view(-1, 1, 1, 1, 1) for value in self.objective.signal_and_noise(at))
        own_noise = (noisy - signal * self.sample) / noise
        target = self.objective.velocity(self.sample, own_noise, at)
        output = self._output(target)
        assert torch.equal(self.family.prediction(output, like=noisy), target)
        return (output,)

    def _noisy(self, hidden_states: torch.Tensor) -> torch.Tensor:
        if self.name == "ltx":
            frames, _, height, width = self.sample.shape[1:]
            return self.family.pipeline._unpack_latents(hidden_states, frames, height, width).transpose(1, 2)
        return hidden_states if "cogvideox" in self.name else hidden_states.transpose(1, 2)

    def _timestep(self, told: torch.Tensor) -> torch.Tensor:
        if "cogvideox" in self.name:
            return (told + 1) / 1000
        told = told.flatten(1)[:, 0] if told.ndim == 2 else told
        return 1 - told / 1000 if self.name == "mochi" else told / 1000

    def _output(self, target: torch.Tensor) -> torch.Tensor:
        if self.name == "ltx":
            return self.family.pipeline._pack_latents(target.transpose(1, 2))
        if "cogvideox" in self.name:
            return target
        return -target.transpose(1, 2) if self.name == "mochi" else target.transpose(1, 2)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_pipeline_finds_the_clip_that_an_oracle_of_the_objective_knows(name, monkeypatch):
    pipeline = tiny_pipeline(name)
    family = family_around(pipeline)
    sample = torch.randn(latent_shape(family, TINY_CLIPS[name], batch=2), generator=torch.Generator().manual_seed(7))
    monkeypatch.setattr(pipeline.transformer, "forward", _Oracle(name, family, sample))
    run = Run(pipeline, name, ["a", "b"], steps=STEPS)
    assert len(run.inputs) == STEPS
    assert (run.noisy[0] - sample).abs().mean() > 1
    torch.testing.assert_close(run.noisy[-1], sample, rtol=0, atol=5e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_noisy_latents_of_training_are_those_of_sampling(name, monkeypatch):
    # Between clip and noise lie the same latents, at the same timestep.
    pipeline = tiny_pipeline(name)
    family = family_around(pipeline)
    sample = torch.randn(latent_shape(family, TINY_CLIPS[name], batch=1))
    oracle = _Oracle(name, family, sample)
    monkeypatch.setattr(pipeline.transformer, "forward", oracle)
    run = Run(pipeline, name, ["a"], steps=STEPS)
    told = [oracle._timestep(inputs["timestep"]) for inputs in run.inputs]
    conditions = collated(family, ["a"])
    for noisy, at, inputs in zip(run.noisy, told, run.inputs, strict=False):
        again = oracle.objective.add_noise(sample, run.noisy[0], at)
        torch.testing.assert_close(again, noisy, rtol=0, atol=6e-3)  # Wan's pipeline tells whole thousandths
        ours = family.transformer_inputs(again, at, conditions)
        torch.testing.assert_close(ours["timestep"].float(), inputs["timestep"].float())


def _unshifted(name: str) -> np.ndarray:
    """Timesteps that the pipeline hands its scheduler, which shifts them."""
    if name.startswith("wan"):
        return np.linspace(1, 1 / 1000, STEPS + 1)[:-1]
    if name == "ltx":
        return np.linspace(1, 1 / STEPS, STEPS)
    if name == "hunyuan_video":
        return np.linspace(1, 0, STEPS + 1)[:-1]
    return np.array(linear_quadratic_schedule(STEPS, 0.025))


@pytest.mark.parametrize("name", [name for name in FAMILIES if "cogvideox" not in name])
def test_training_timesteps_lean_as_the_pipelines_do(name):
    pipeline = tiny_pipeline(name)
    run = Run(pipeline, name, ["a"], steps=STEPS)
    sigmas = pipeline.scheduler.sigmas[:-1]
    if name == "mochi":
        sigmas = 1 - sigmas
    shape = run.shape
    _, height, width = run.family.patch_size
    tokens = shape[1] * (shape[3] // height) * (shape[4] // width)
    objective = run.family.objective(tokens=tokens)
    assert objective.timestep_shift == run.family.default_timestep_shift(tokens)
    assert (objective.timestep_shift != 1) == (name != "mochi")
    shifted = shift_timesteps(torch.from_numpy(_unshifted(name)), objective.timestep_shift)
    if pipeline.scheduler.config.get("shift_terminal"):
        shifted = pipeline.scheduler.stretch_shift_to_terminal(shifted)
    torch.testing.assert_close(shifted.float(), sigmas.float(), rtol=1e-4, atol=1e-5)
    assert run.family.objective(tokens=tokens, timestep_shift=2.5).timestep_shift == 2.5


@pytest.mark.parametrize("name", ["cogvideox", "cogvideox_15"])
def test_cogvideox_noises_as_its_scheduler_does(name):
    pipeline = tiny_pipeline(name)
    family = family_around(pipeline)
    sample, noise = torch.randn(2, *latent_shape(family, TINY_CLIPS[name], batch=3))
    timestep = torch.tensor([0.2134, 0.7, 1.0])
    told = family.transformer_inputs(sample, timestep, collated(family, ["a", "b", "c"]))["timestep"]
    assert told.tolist() == [213, 699, 999]
    objective = family.objective(tokens=16)
    torch.testing.assert_close(
        objective.add_noise(sample, noise, timestep), pipeline.scheduler.add_noise(sample, noise, told)
    )
    torch.testing.assert_close(
        objective.velocity(sample, noise, timestep), pipeline.scheduler.get_velocity(sample, noise, told)
    )
