"""CogVideoX 1.5 takes latent frames in pairs, and an odd number in training as its pipeline does in sampling."""

import pytest
import torch
from sampling import Run, collated, family_around
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf.models.pretrained_generators import PretrainedGeneratorConfig, PretrainedVideoGenerator


def _model(name: str) -> PretrainedVideoGenerator:
    family = family_around(tiny_pipeline(name))
    config = PretrainedGeneratorConfig(patch_size=family.patch_size, frames_per_token=family.frames_per_token)
    return PretrainedVideoGenerator(family, config, objective=family.objective(tokens=8)).eval()


def test_the_first_latent_stands_there_twice_with_noise_of_its_own():
    model = _model("cogvideox_15")
    latents, noise = torch.randn(2, 2, 3, 4, 4, 4)
    longer, its_noise = model.family.whole_patches(latents, noise)
    assert longer.shape == its_noise.shape == (2, 4, 4, 4, 4)
    assert torch.equal(longer[:, 1:], latents)
    assert torch.equal(longer[:, 0], latents[:, 0])
    assert torch.equal(its_noise[:, 1:], noise)
    flat = its_noise[:, :2].flatten(2)
    assert (flat[:, 0] * flat[:, 1]).mean(1).abs().max() < 0.5
    assert not torch.equal(its_noise[0, 0], its_noise[1, 0])
    # The row's own: alone or in a batch, now or when training is resumed.
    assert torch.equal(model.family.whole_patches(latents[1:], noise[1:])[1], its_noise[1:])


def test_a_clip_is_trained_on_with_the_frame_that_the_pipeline_throws_away():
    model = _model("cogvideox_15")
    latents, noise = torch.randn(2, 2, 3, 4, 4, 4)
    longer, its_noise = model.family.whole_patches(latents, noise)
    batch = {**collated(model.family, ["a", "b"]), "timestep": torch.tensor([0.4, 0.9])}
    output = model(latents, noise=noise, **batch)
    same = model(longer, noise=its_noise, **batch)
    assert torch.equal(output.loss_per_sample, same.loss_per_sample)
    assert output.prediction.shape == longer.shape


def test_a_clip_comes_out_as_long_as_it_was_asked_for():
    clip = TINY_CLIPS["cogvideox_15"]
    run = Run(tiny_pipeline("cogvideox_15"), "cogvideox_15", ["a"], output_type="pt")
    assert run.inputs[0]["hidden_states"].shape[1] == 4
    assert run.frames.shape[1] == clip["num_frames"] == 9


@pytest.mark.parametrize("name", ["wan", "cogvideox", "mochi"])
def test_other_families_take_any_number(name):
    model = _model(name)
    latents, noise = torch.randn(2, 1, 3, model.family.latent_channels, 4, 4)
    longer, its_noise = model.family.whole_patches(latents, noise)
    assert longer is latents
    assert its_noise is noise


def test_tokens_are_counted_with_it():
    assert _model("cogvideox_15").config.count_tokens(3, 4, 4) == 2 * 2 * 2
    assert _model("cogvideox").config.count_tokens(3, 4, 4) == 3 * 2 * 2
    assert PretrainedGeneratorConfig(patch_size=(2, 2, 2)).count_tokens(4, 4, 4) == 2 * 2 * 2
