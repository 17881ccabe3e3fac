import pytest
import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler, UniPCMultistepScheduler

from heygen_hf.models.video_transformer import VideoTransformerConfig, build_objective
from heygen_hf.pipelines.schedulers import build_scheduler, model_timestep, set_timesteps, wanted_prediction


def config(**overrides: object) -> VideoTransformerConfig:
    return VideoTransformerConfig(hidden_size=32, num_attention_heads=2, **overrides)


def test_flow_matching_runs_from_noise_to_clean_with_the_training_shift() -> None:
    scheduler = build_scheduler(config(timestep_shift=4.0))
    assert isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
    timesteps = set_timesteps(scheduler, 4, device=torch.device("cpu"))
    ours = model_timestep(scheduler, timesteps, objective="flow_matching")
    uniform = torch.tensor([1.0, 0.75, 0.5, 0.25])
    torch.testing.assert_close(ours, 4 * uniform / (1 + 3 * uniform))
    assert scheduler.sigmas[-1] == 0


def test_ddpm_timesteps_are_those_of_the_objective() -> None:
    scheduler = build_scheduler(config(objective="ddpm"))
    assert isinstance(scheduler, DDIMScheduler)
    timesteps = set_timesteps(scheduler, 5, device=torch.device("cpu"))
    assert timesteps[0] == 999
    objective = build_objective(config(objective="ddpm"))
    signal, noise = objective.signal_and_noise(model_timestep(scheduler, timesteps, objective="ddpm"))
    torch.testing.assert_close(signal**2, scheduler.alphas_cumprod[timesteps], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(5))


@pytest.mark.parametrize("objective", ["flow_matching", "ddpm"])
@pytest.mark.parametrize("prediction_type", ["sample", "velocity", "noise"])
def test_a_perfect_model_is_sampled_to_its_sample(objective: str, prediction_type: str) -> None:
    settings = config(
        objective=objective,
        prediction_type=prediction_type,
        timestep_shift=2.0 if objective == "flow_matching" else 1.0,
    )
    scheduler, training = build_scheduler(settings), build_objective(settings)
    sample = torch.randn(2, 2, 3, 4, 4)
    latents = torch.randn(sample.shape)
    for step in set_timesteps(scheduler, 10, device=torch.device("cpu")):
        timestep = model_timestep(scheduler, step, objective=objective).expand(2)
        signal, noise_factor = training.signal_and_noise(timestep.view(2, 1, 1, 1, 1))
        noise = (latents - signal * sample) / noise_factor
        truth = {"sample": sample, "noise": noise, "velocity": training.velocity(sample, noise, timestep)}
        prediction = training.convert(truth[prediction_type], latents, timestep, to=wanted_prediction(scheduler))
        latents = scheduler.step(prediction, step, latents, return_dict=False)[0]
    torch.testing.assert_close(latents, sample, atol=2e-2 if objective == "ddpm" else 2e-3, rtol=1e-2)


def test_other_schedulers_name_what_they_take() -> None:
    assert (
        wanted_prediction(UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True))
        == "velocity"
    )
    assert wanted_prediction(DDIMScheduler(prediction_type="epsilon")) == "noise"
    scheduler = DDIMScheduler()
    scheduler.register_to_config(prediction_type="trajectory")
    with pytest.raises(ValueError, match="prediction_type='trajectory' is unknown"):
        wanted_prediction(scheduler)
