"""Samplers against the one flow that is known exactly: that of clips drawn from a normal distribution."""

from types import SimpleNamespace

import pytest
import torch

from heygen_hf.losses import DDPMObjective, DenoisingObjective, FlowMatchingObjective
from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.pipelines.denoising import SamplingRun
from heygen_hf.pipelines.given_frames import GivenLatents
from heygen_hf.pipelines.guidance import Guidance, GuidedModel
from heygen_hf.pipelines.ode_sampling import OdeRun
from heygen_hf.pipelines.schedulers import Sampler, build_scheduler

MEAN, SPREAD = 0.4, 0.3
CPU = torch.device("cpu")


class NormalDenoiser(torch.nn.Module):
    """Predicts the sample that clips of N(MEAN, SPREAD²) are expected to have been."""

    dtype = torch.float32

    def __init__(self, objective: DenoisingObjective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, noisy: torch.Tensor, timestep: torch.Tensor) -> SimpleNamespace:
        signal, sigma = self.objective.signal_and_noise(timestep.reshape(len(timestep), -1, 1, 1, 1).double())
        gain = signal * SPREAD**2 / (signal**2 * SPREAD**2 + sigma**2)
        return SimpleNamespace(sample=MEAN + gain * (noisy - signal * MEAN))


def build(objective: str, shift: float = 1.0) -> tuple[VideoTransformerConfig, DenoisingObjective, GuidedModel]:
    config = VideoTransformerConfig(
        hidden_size=32, num_attention_heads=2, objective=objective, prediction_type="sample", timestep_shift=shift
    )
    ours = {"flow_matching": FlowMatchingObjective, "ddpm": DDPMObjective}[objective](prediction_type="sample")
    return config, ours, GuidedModel(NormalDenoiser(ours), Guidance(), {}, objective=ours)


def sample(sampler: Sampler, steps: int, noise: torch.Tensor, *, objective: str, shift: float = 1.0) -> SamplingRun:
    config, ours, model = build(objective, shift)
    run = SamplingRun(model, build_scheduler(config, sampler), objective=ours, num_inference_steps=steps, device=CPU)
    latents = noise
    for index in range(len(run.timesteps)):
        latents = run.step(index, latents)
    run.latents = latents
    return run


def exact(noise: torch.Tensor, objective: str) -> torch.Tensor:
    """Where the flow ends: each point keeps its place in its distribution."""
    _, ours, _ = build(objective)
    signal, sigma = ours.signal_and_noise(torch.ones(()).double())
    return MEAN + SPREAD * (noise - signal * MEAN) / (signal**2 * SPREAD**2 + sigma**2).sqrt()


def error(sampler: Sampler, steps: int, *, objective: str, shift: float = 1.0) -> float:
    noise = torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    found = sample(sampler, steps, noise, objective=objective, shift=shift).latents
    return float((found - exact(noise, objective)).abs().max())


@pytest.mark.parametrize("shift", [1.0, 5.0])
@pytest.mark.parametrize("sampler", ["euler", "heun", "unipc", "dpmsolver++"])
def test_every_sampler_finds_the_end_of_the_flow(sampler: Sampler, shift: float) -> None:
    coarse, fine = (error(sampler, steps, objective="flow_matching", shift=shift) for steps in (10, 160))
    assert fine < (0.05 if sampler == "euler" else 0.01)
    assert fine < coarse / 8


@pytest.mark.parametrize("sampler", ["euler", "unipc", "dpmsolver++"])
def test_every_sampler_of_ddpm_finds_the_end_of_its_flow(sampler: Sampler) -> None:
    assert error(sampler, 200, objective="ddpm") < 0.03
    assert error(sampler, 200, objective="ddpm") < error(sampler, 10, objective="ddpm")


def test_the_error_falls_with_the_order() -> None:
    def fall(sampler: Sampler) -> float:
        return error(sampler, 20, objective="flow_matching") / error(sampler, 40, objective="flow_matching")

    assert 1.7 < fall("euler") < 2.3
    assert 3.4 < fall("heun") < 4.6
    # as many evaluations
    assert error("heun", 40, objective="flow_matching") < error("euler", 79, objective="flow_matching") / 4


def test_evaluations_are_counted() -> None:
    noise = torch.randn(1, 2, 3, 4, 4)
    counts = {
        name: sample(name, 6, noise, objective="flow_matching").num_evaluations
        for name in ("euler", "heun", "unipc", "dpmsolver++")
    }
    assert counts == {"euler": 6, "heun": 11, "unipc": 6, "dpmsolver++": 6}


@pytest.mark.parametrize("sampler", ["heun", "unipc", "dpmsolver++"])
def test_fewer_steps_than_the_order_are_refused(sampler: Sampler) -> None:
    with pytest.raises(ValueError, match=r"num_inference_steps=1 is less than the order 2 of \w+: use 2 steps or more"):
        sample(sampler, 1, torch.randn(1, 2, 3, 4, 4), objective="flow_matching")


def test_unknown_and_unfitting_samplers_are_refused() -> None:
    config, _, _ = build("ddpm")
    with pytest.raises(ValueError, match="sampler='leapfrog' is unknown; use one of euler, heun"):
        build_scheduler(config, "leapfrog")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sampler='heun' is for flow matching"):
        build_scheduler(config, "heun")


class TestAdaptive:
    def solve(self, noise: torch.Tensor, **options: object) -> OdeRun:
        _, ours, model = build("flow_matching")
        run = OdeRun(model, objective=ours, **options)
        run.latents = run.solve(noise)
        return run

    def test_the_tolerance_decides_error_and_evaluations(self) -> None:
        noise = torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).double()
        loose, tight = (self.solve(noise, rtol=tolerance, atol=tolerance) for tolerance in (1e-2, 1e-6))
        errors = [float((run.latents - exact(noise, "flow_matching")).abs().max()) for run in (loose, tight)]
        assert errors[1] < 2e-3
        assert errors[1] <= errors[0]
        assert 7 < loose.num_evaluations < tight.num_evaluations / 2

    def test_what_is_given_stays(self) -> None:
        _, ours, model = build("flow_matching")
        given = torch.tensor([[True, False]])
        clip = torch.rand(1, 2, 3, 4, 4)
        kept = GivenLatents(clip, given, (1, 1, 1))
        found = OdeRun(model, objective=ours, kept=kept).solve(torch.randn(1, 2, 3, 4, 4))
        assert torch.equal(found[:, 0], clip[:, 0])
        assert not torch.equal(found[:, 1], clip[:, 1])

    def test_what_it_cannot_do_is_refused(self) -> None:
        _, ours, model = build("ddpm")
        with pytest.raises(ValueError, match="solves the flow of objective='flow_matching'"):
            OdeRun(model, objective=ours)
        _, ours, model = build("flow_matching")
        with pytest.raises(ValueError, match=r"rtol=0 and atol=0\.001 must be above 0"):
            OdeRun(model, objective=ours, rtol=0)
        model.guidance = Guidance(every=2)
        with pytest.raises(ValueError, match="guidance_every=2 needs a solver of equal steps"):
            OdeRun(model, objective=ours)
