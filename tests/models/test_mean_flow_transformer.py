"""The video transformer as a mean flow: intervals in, a derivative through it, few steps out."""

import pytest
import torch

from heygen_hf.losses import MeanFlowObjective
from heygen_hf.models.video_transformer import VideoTransformerConfig, VideoTransformerForVideoGeneration
from heygen_hf.pipelines import VideoGenerationPipeline, build_scheduler
from heygen_hf.processing import VideoProcessor

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": (1, 4, 4), "vocab_size": 9}
CLIP = {"sample_frames": 2, "sample_height": 8, "sample_width": 8}


def build(**overrides: object) -> VideoTransformerForVideoGeneration:
    torch.manual_seed(0)
    config = VideoTransformerConfig(**(SIZES | CLIP | {"objective": "mean_flow"} | overrides))
    model = VideoTransformerForVideoGeneration(config)
    model.set_attn_implementation("matmul")
    return model


def test_only_mean_flows_take_intervals_and_others_are_as_they_were() -> None:
    plain, mean = build(objective="flow_matching"), build()
    extra = {name for name, _ in mean.named_parameters()} - {name for name, _ in plain.named_parameters()}
    assert {name.split(".")[1] for name in extra} == {"interval_embedding"}
    noisy, timestep = torch.randn(2, 2, 3, 8, 8), torch.tensor([0.9, 0.4])
    with pytest.raises(ValueError, match="not of objective='mean_flow'"):
        plain.transformer(noisy, timestep, end_timestep=timestep)
    with pytest.raises(ValueError, match="not of objective='mean_flow'"):
        plain(pixel_values=noisy, end_timestep=timestep)
    for weight in mean.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
    own = mean.transformer(noisy, timestep).sample
    torch.testing.assert_close(mean.transformer(noisy, timestep, end_timestep=timestep).sample, own)
    assert not torch.allclose(mean.transformer(noisy, timestep, end_timestep=0 * timestep).sample, own, atol=1e-3)


@pytest.mark.parametrize("prediction_type", ["velocity", "sample"])
def test_the_derivative_through_the_model_is_that_of_differences(prediction_type: str) -> None:
    model = build(prediction_type=prediction_type).double().train()
    for weight in model.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
    sample, noise = torch.randn(2, 2, 3, 8, 8).double(), torch.randn(2, 2, 3, 8, 8).double()
    timestep, end = torch.tensor([0.8, 0.5]).double(), torch.tensor([0.1, 0.3]).double()
    ids = torch.randint(0, 9, (2, 3))
    given = {"pixel_values": sample, "noise": noise, "timestep": timestep, "end_timestep": end, "input_ids": ids}
    found = model(**given, condition_dropout_mask=torch.zeros(2, dtype=torch.bool)).loss_per_sample

    objective, step = MeanFlowObjective(prediction_type=prediction_type), 1e-3

    def mean_velocity(at: torch.Tensor) -> torch.Tensor:
        noisy = objective.add_noise(sample, noise, at).double()
        with torch.no_grad():
            prediction = model.transformer(noisy, at, input_ids=ids, end_timestep=end).sample
        return objective.convert(prediction, noisy, at, to="velocity")

    slope = (mean_velocity(timestep + step) - mean_velocity(timestep - step)) / (2 * step)
    target = noise - sample - (timestep - end).reshape(-1, 1, 1, 1, 1) * slope
    expected = (mean_velocity(timestep) - target).square().mean((1, 2, 3, 4))
    torch.testing.assert_close(found.double(), expected, rtol=2e-2, atol=1e-3)


def test_training_changes_every_part_and_one_step_samples() -> None:
    model = build(num_hidden_layers=1, vocab_size=None).train()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    clip = torch.full((8, 2, 3, 8, 8), 0.5)
    losses = []
    for _ in range(25):
        output = model(pixel_values=clip)
        losses.append(output.loss_per_sample.mean().item())
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    assert sum(losses[-5:]) < 0.75 * sum(losses[:5])
    assert [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])] == []
    pipeline = VideoGenerationPipeline(
        model.transformer.eval(), build_scheduler(model.config), VideoProcessor(num_frames=2, height=8, width=8)
    )
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 2, 3, 8, 8)
    one = pipeline(latents=noise, num_inference_steps=1, output_type="latent")
    assert one.num_function_evaluations == 1
    with torch.no_grad():
        crossed = noise - model.transformer(noise, torch.ones(1), end_timestep=torch.zeros(1)).sample
    torch.testing.assert_close(one.frames, crossed)
    # solvers of higher order are given the velocity itself
    two = pipeline(latents=noise, num_inference_steps=4, sampler="unipc", output_type="latent").frames
    assert torch.isfinite(two).all()


def test_what_a_mean_flow_cannot_be_trained_with_is_refused() -> None:
    with pytest.raises(Exception, match=r'loss_space=.sample. says nothing with objective="mean_flow"'):
        build(loss_space="sample")
    with pytest.raises(ValueError, match="loss_space='sample' says nothing to a mean flow"):
        MeanFlowObjective(loss_space="sample")
    model, clip = build().train(), torch.randn(2, 2, 3, 8, 8)
    with pytest.raises(ValueError, match=r"end_timestep has shape \(2,\) and timestep another one"):
        model.transformer(clip, torch.full((2, 2), 0.5), end_timestep=torch.zeros(2))
    model.gradient_checkpointing_enable()
    with pytest.raises(ValueError, match=r"call gradient_checkpointing_disable\(\)"):
        model(pixel_values=clip)
    model.gradient_checkpointing_disable()
    model(pixel_values=clip).loss.backward()
