"""Clips of causal models, block by block with a cache: those of the sampling loop without one."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.given_frames import GivenClips

CAPTION = "a red 7 moves left"
Build = Callable[..., VideoGenerationPipeline]
CAUSAL = {"attention_pattern": "causal", "given_frame_patterns": ["each"], "num_hidden_layers": 2}
BLOCKS = CAUSAL | {"attention_pattern": "block_causal", "attention_block": 2}
LOOP = {"generator": None, "callback_on_step_end": None, "callback_on_step_end_tensor_inputs": []}


def without_a_cache(
    pipe: VideoGenerationPipeline,
    noise: torch.Tensor,
    conditions: dict[str, torch.Tensor],
    *,
    block: int,
    monkeypatch: pytest.MonkeyPatch,
    **options: Any,
) -> torch.Tensor:
    """Each block denoised within the whole clip, what came before given."""
    with monkeypatch.context() as patched:
        patched.setattr(type(pipe), "makes_blocks", lambda *_: False)
        made = None
        for start in range(0, noise.shape[1], block):
            given = None if made is None else GivenClips.prefix(made, num_frames=noise.shape[1])
            clip = pipe._denoise(
                noise.shape, conditions, given=given, latents=noise, options=LOOP | {"num_inference_steps": 3} | options
            )
            made = clip[:, : start + block]
    return made


@pytest.mark.parametrize("fields", [CAUSAL, CAUSAL | {"attention_window": 1}, BLOCKS])
@pytest.mark.parametrize(
    "options",
    [
        {"guidance_scale": 2.0},
        {"guidance_scale": 2.0, "guidance_interval": (0.3, 0.8)},
        {"guidance_scale": 1.0, "skip_guidance_layers": [0]},
        {"guidance_scale": 2.0, "block_cache_threshold": 1e-9},
    ],
)
@torch.no_grad()
def test_blocks_with_a_cache_are_those_without(
    build_given_pipeline: Build, monkeypatch: pytest.MonkeyPatch, fields: dict, options: dict
) -> None:
    pipe = build_given_pipeline(frames=8, audio_hidden_size=3, **fields)
    noise = torch.randn(2, 8, 3, 8, 12, generator=torch.Generator().manual_seed(0))
    conditions = pipe._encode_conditions([CAPTION, "a red 7"], None, device=torch.device("cpu"))
    conditions["audio_features"] = torch.randn(2, 8, 3, generator=torch.Generator().manual_seed(1))
    made = pipe._denoise(
        noise.shape, conditions, given=None, latents=noise, options=LOOP | {"num_inference_steps": 3} | options
    )
    block = 2 * (fields.get("attention_block") or 1)
    expected = without_a_cache(pipe, noise, conditions, block=block, monkeypatch=monkeypatch, **options)
    torch.testing.assert_close(made, expected, atol=2e-4, rtol=1e-4)
    at_once = LOOP | {"num_inference_steps": 3} | options
    with monkeypatch.context() as patched:
        patched.setattr(type(pipe), "makes_blocks", lambda *_: False)
        whole = pipe._denoise(noise.shape, conditions, given=None, latents=noise, options=at_once)
    torch.testing.assert_close(made[:, :block], whole[:, :block], atol=2e-4, rtol=1e-4)
    assert not torch.allclose(made[:, block:], whole[:, block:], atol=1e-2)


@torch.no_grad()
def test_the_model_sees_one_block_at_a_time(build_given_pipeline: Build) -> None:
    pipe = build_given_pipeline(frames=8, **CAUSAL)
    seen: list[tuple[int, bool]] = []
    handle = pipe.transformer.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args[0].shape[1], bool(kwargs.get("use_cache")))), with_kwargs=True
    )
    pipe(CAPTION, guidance_scale=1.0, num_inference_steps=3)
    handle.remove()
    # Three steps a block of two frames, and one clean pass for each block that another follows.
    assert seen == [(2, False)] * 3 + ([(2, True)] + [(2, False)] * 3) * 3


def test_a_long_video_goes_on_from_the_last_blocks(build_given_pipeline: Build) -> None:
    pipe = build_given_pipeline(frames=8, **BLOCKS)
    generator = torch.Generator().manual_seed(0)
    first, second = list(pipe.stream_windows(CAPTION, num_frames=11, generator=generator))
    assert (first.shape[1], second.shape[1]) == (8, 3)
    generator = torch.Generator().manual_seed(0)
    again = pipe(CAPTION, generator=generator, output_type="pt").frames
    assert torch.equal(again, first)
    went_on = pipe(CAPTION, video=first[:, 4:], generator=generator, output_type="pt").frames
    torch.testing.assert_close(went_on[:, 4:7], second)


@torch.no_grad()
def test_latents_and_their_sound_go_block_by_block(build_latent_pipeline: Build) -> None:
    pipe = build_latent_pipeline(audio_hidden_size=3, **CAUSAL)
    noise = torch.randn(1, 5, 4, 4, 6, generator=torch.Generator().manual_seed(0))
    sound = torch.randn(1, 9, 3, generator=torch.Generator().manual_seed(1))  # latents of 1, 2, 2, 2 and 2 frames
    options = LOOP | {"guidance_scale": 1.0, "num_inference_steps": 2}

    def make(features: torch.Tensor) -> torch.Tensor:
        conditions = {"audio_features": features}
        return pipe._denoise(noise.shape, conditions, given=None, latents=noise, options=options)

    other = sound.clone()
    other[:, 5:7] += 1.0
    changed = (make(sound) - make(other)).abs().amax(dim=(0, 2, 3, 4)) > 0
    assert changed.tolist() == [False, False, False, True, True]


@torch.no_grad()
def test_noise_on_the_context_is_seen_and_not_kept(build_given_pipeline: Build) -> None:
    pipe = build_given_pipeline(frames=8, **CAUSAL)
    image = torch.rand(2, 3, 8, 12)
    made = {}
    for noise in (0.0, 0.5):
        generator = torch.Generator().manual_seed(0)
        made[noise] = pipe(
            CAPTION, video=image, context_noise=noise, generator=generator, output_type="pt", guidance_scale=1.0
        ).frames
        torch.testing.assert_close(made[noise][0, :2], image)
    assert not torch.allclose(made[0.0][:, 2:], made[0.5][:, 2:], atol=1e-2)


def test_who_goes_block_by_block(build_given_pipeline: Build) -> None:
    assert build_given_pipeline(**CAUSAL).makes_blocks({})
    assert not build_given_pipeline().makes_blocks({})
    assert not build_given_pipeline(**CAUSAL | {"given_frame_patterns": None}).makes_blocks({})
    assert not build_given_pipeline(**CAUSAL | {"mixer": "mamba"}).makes_blocks({})
    assert not build_given_pipeline(**CAUSAL).makes_blocks({"guidance_scale": {"image": 2.0}})
