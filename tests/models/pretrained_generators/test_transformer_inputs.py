"""Training gives a transformer what its own pipeline gives it in sampling, tensor by tensor."""

import sys
from typing import Any

import pytest
import torch
from diffusers import CogVideoXFunControlPipeline, DiffusionPipeline, WanImageToVideoPipeline
from sampling import Run, assert_same_inputs, collated, family_around, frames_of, latent_shape, picture
from tiny_pipelines import TINY_CLIPS, tiny_pipeline

from heygen_hf._optional import is_available
from heygen_hf.pipelines.latents import normalize_latents

PROMPTS = ["a red ball", "two dogs run, one cat sleeps " * 30, "x"]
CONTROLLED = ["wan_vace", "cogvideox_control"]
FAMILIES = [name for name in TINY_CLIPS if "image" not in name and name not in CONTROLLED]


def _compare(run: Run, conditions: dict[str, torch.Tensor]) -> None:
    assert len(run.inputs) == 2
    assert run.timestep(0).max() > run.timestep(1).max()
    for step, theirs in enumerate(run.inputs):
        ours = run.family.transformer_inputs(run.noisy[step], run.timestep(step), conditions)
        assert_same_inputs(ours, theirs)
        with torch.no_grad():
            prediction = run.family.denoise(run.pipeline.transformer, run.noisy[step], run.timestep(step), conditions)
        expected = run.family.prediction(run.outputs[step], like=run.noisy[step])
        assert prediction.shape == run.noisy[step].shape
        assert torch.equal(prediction, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_inputs_equal_the_pipelines(name, dtype, tiny_pipeline_folder):
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline_folder(name), dtype=dtype)
    run = Run(pipeline, name, PROMPTS)
    assert run.inputs[0]["hidden_states"].dtype == dtype
    conditions = collated(run.family, PROMPTS)
    assert not torch.equal(conditions["encoder_hidden_states"][0], conditions["encoder_hidden_states"][1])
    _compare(run, conditions)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_empty_prompt_is_what_the_pipeline_makes_of_it(name):
    run = Run(tiny_pipeline(name), name, [""])
    _compare(run, collated(run.family, [""]))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "mochi"])
def test_an_empty_prompt_among_others_is_too(name):
    prompts = ["a red ball", "", "two dogs"]
    run = Run(tiny_pipeline(name), name, prompts)
    _compare(run, collated(run.family, prompts))


def test_mochi_shows_zeros_for_an_empty_prompt_and_for_no_other():
    # The pipeline zeroes the whole batch if its last prompt is empty, and none of it if another is.
    pipeline = tiny_pipeline("mochi")
    prompts = ["a red ball", "", "two dogs", ""]
    together = family_around(pipeline).encode_prompts(prompts)
    alone = [family_around(pipeline).encode_prompts([prompt])[0] for prompt in prompts]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)
    assert not together[1]["text_embeddings_mask"].any()
    assert together[0]["text_embeddings_mask"].sum() > together[2]["text_embeddings_mask"].sum() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", [name for name in TINY_CLIPS if "image" in name and "ltx" not in name])
def test_first_frames_stand_beside_the_noise_as_in_the_pipeline(name, dtype, tiny_pipeline_folder):
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline_folder(name), dtype=dtype)
    prompts = PROMPTS[:1] if "cogvideox" in name else PROMPTS  # Wan shows one picture to all prompts of a call
    run = Run(pipeline, name, prompts, image=picture(), generator=torch.Generator().manual_seed(0))
    first_frames = run.family.encode_first_frames(
        frames_of([picture()] * len(prompts)), num_frames=run.clip["num_frames"]
    )
    assert ("image_embeddings" in first_frames) == (name == "wan_image_to_video")
    _compare(run, collated(run.family, prompts, **first_frames))


@pytest.mark.parametrize("name", ["wan_image_to_video", "cogvideox_image_to_video"])
def test_each_clip_of_a_batch_has_its_own_first_frame(name):
    family = family_around(tiny_pipeline(name))
    together = family.encode_first_frames(frames_of([picture(0), picture(1)]), num_frames=9)
    for number in range(2):
        alone = family.encode_first_frames(frames_of([picture(number)]), num_frames=9)
        torch.testing.assert_close({name: rows[number : number + 1] for name, rows in together.items()}, alone)
    assert not torch.equal(together["condition_latents"][0], together["condition_latents"][1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("name", CONTROLLED)
def test_clips_that_control_are_what_the_pipeline_makes_of_them(name, dtype, tiny_pipeline_folder):
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline_folder(name), dtype=dtype)
    control = frames_of([picture(number) for number in range(9)])[None]
    family = family_around(pipeline)
    assert family.takes_control
    run = Run(pipeline, name, ["a red ball"], **family.control_arguments((control[0] + 1) / 2))
    pictures = Run(pipeline, name, ["a red ball"], **_renamed(family, [picture(number) for number in range(9)]))
    conditions = collated(family, ["a red ball"], **family.encode_control(control))
    assert conditions["control_latents"].shape[:2] == run.shape[:2]
    _compare(pictures, conditions)
    if dtype == torch.float32:
        _compare(run, conditions)
    with pytest.raises(ValueError, match="the data have none"):
        family.transformer_inputs(run.noisy[0], run.timestep(0), collated(family, ["a red ball"]))


def _renamed(family: Any, pictures: list[Any]) -> dict[str, Any]:
    """The same clip as pictures."""
    return dict.fromkeys(family.control_arguments(torch.zeros(1, 3, 32, 32)), pictures)


def test_each_clip_has_its_own_control():
    clips = torch.stack([frames_of([picture(number + turn) for number in range(9)]) for turn in (0, 20)])
    for name in CONTROLLED:
        family = family_around(tiny_pipeline(name))
        together = family.encode_control(clips)["control_latents"]
        alone = torch.cat([family.encode_control(clip[None])["control_latents"] for clip in clips])
        torch.testing.assert_close(together, alone)
        assert not torch.allclose(together[0], together[1])


def test_families_refuse_what_they_do_not_take():
    family = family_around(tiny_pipeline("wan"))
    with pytest.raises(ValueError, match="wan takes no first frame"):
        family.encode_first_frames(torch.zeros(1, 3, 32, 32), num_frames=9)
    with pytest.raises(ValueError, match="wan takes no clips that control others"):
        family.encode_control(torch.zeros(1, 9, 3, 32, 32))
    pipeline = tiny_pipeline("cogvideox_15")
    with pytest.raises(ValueError, match="patch_size_t"):
        family_around(CogVideoXFunControlPipeline(**pipeline.components))


def _beginning(pipeline: Any, name: str) -> torch.Tensor:
    """Noise behind the latents of a first frame, as training has them: the autoencoder's own, normalised."""
    latents = pipeline.vae.encode(frames_of([picture()]).unsqueeze(2).to(pipeline.vae.dtype)).latent_dist.mode()
    noisy = torch.randn(latent_shape(family_around(tiny_pipeline(name)), TINY_CLIPS[name], batch=1))
    noisy[:, :1] = normalize_latents(pipeline.vae, latents.float()).transpose(1, 2)
    return noisy


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_given_frames_of_ltx_are_at_timestep_0_as_in_its_image_pipeline(dtype, tiny_pipeline_folder):
    name = "ltx_image_to_video"
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline_folder(name), dtype=dtype)
    prompts = ["a red ball", "two dogs"]
    first = _beginning(pipeline, name).expand(2, -1, -1, -1, -1)
    run = Run(pipeline, name, prompts, latents=first, image=picture())
    assert run.family.takes_frame_timesteps
    assert run.timestep(1)[0].tolist()[0] == 0
    assert (run.timestep(1)[:, 1:] > 0).all()
    _compare(run, collated(run.family, prompts))


def test_the_first_frame_that_ltx_is_given_is_the_autoencoders_normalised_one():
    name, pipeline = "ltx_image_to_video", tiny_pipeline("ltx_image_to_video")
    given, _ = pipeline.prepare_latents(
        frames_of([picture()]), num_channels_latents=8, generator=torch.Generator().manual_seed(0), **TINY_CLIPS[name]
    )
    posterior = pipeline.vae.encode(frames_of([picture()]).unsqueeze(2)).latent_dist
    latents = normalize_latents(pipeline.vae, posterior.sample(torch.Generator().manual_seed(0)))
    torch.testing.assert_close(given[:, : latents[0, 0].numel()], pipeline._pack_latents(latents))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])
def test_given_frames_of_wan_22_are_at_timestep_0_as_in_its_image_pipeline(dtype, tiny_pipeline_folder):
    plain = DiffusionPipeline.from_pretrained(tiny_pipeline_folder("wan_22"), dtype=dtype)
    pipeline = WanImageToVideoPipeline(**plain.components, expand_timesteps=True)
    pipeline.set_progress_bar_config(disable=True)
    prompts = ["a red ball", "two dogs"]
    first = _beginning(pipeline, "wan_22").expand(2, -1, -1, -1, -1)
    with pytest.raises(ValueError, match="given_frames"):
        family_around(pipeline)
    run = Run(pipeline, "wan_22", prompts, family=family_around(plain), latents=first, image=picture())
    assert run.family.takes_frame_timesteps
    assert run.timestep(1)[:, 0].tolist() == [0, 0]
    assert (run.timestep(1)[:, 1:] > 0).all()
    assert all(inputs.pop("encoder_hidden_states_image") is None for inputs in run.inputs)
    # The pipeline puts the first frame over the latents before each step; it normalises by a product, not a quotient.
    given = run.inputs[0]["hidden_states"].transpose(1, 2)[:, :1].float()
    torch.testing.assert_close(first[:, :1].to(dtype).float(), given)
    run.noisy = [torch.cat((given, noisy[:, 1:]), dim=1) for noisy in run.noisy]
    _compare(run, collated(run.family, prompts))


def test_only_a_wan_with_a_timestep_for_each_token_takes_given_frames():
    assert not family_around(tiny_pipeline("wan")).takes_frame_timesteps
    assert family_around(tiny_pipeline("wan_22")).takes_frame_timesteps


def test_wan_says_whether_it_mends_captions_and_its_image_pipeline_must(monkeypatch):
    pipeline, images = tiny_pipeline("wan"), tiny_pipeline("wan_image_to_video")
    settings = family_around(pipeline).prompt_settings()
    is_available.cache_clear()
    monkeypatch.setitem(sys.modules, "ftfy", None)
    assert family_around(pipeline).prompt_settings() != settings
    with pytest.raises(ImportError, match=r"heygen_hf\[wan\]"):
        family_around(images)
    is_available.cache_clear()
