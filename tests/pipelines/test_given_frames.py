"""Frames that a call gives: images, starts of clips, masks; in pixels and in latents."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.latents import check_decoded, encode_to_posterior, normalize_latents

CAPTION = "a red 7 moves left"
Build = Callable[..., VideoGenerationPipeline]


@pytest.fixture(scope="module")
def pipeline(build_given_pipeline: Build) -> VideoGenerationPipeline:
    return build_given_pipeline()


@pytest.fixture(scope="module")
def clip() -> torch.Tensor:
    return torch.randint(0, 256, (3, 3, 8, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def make(pipe: VideoGenerationPipeline, **options: object) -> torch.Tensor:
    """uint8 `(videos, frames, channels, height, width)`."""
    frames = pipe(
        options.pop("prompt", CAPTION), generator=torch.Generator().manual_seed(0), output_type="pt", **options
    ).frames
    return (frames * 255).round().to(torch.uint8)


def test_an_image_comes_out_as_it_went_in_whatever_its_kind(
    pipeline: VideoGenerationPipeline, clip: torch.Tensor, tmp_path: Path
) -> None:
    pixels = clip[0].permute(1, 2, 0).numpy()
    picture = PIL.Image.fromarray(pixels)
    picture.save(tmp_path / "first.png")
    kinds = (picture, pixels, clip[0], clip[0] / 255, str(tmp_path / "first.png"), tmp_path / "first.png")
    made = [make(pipeline, image=kind) for kind in kinds]
    assert torch.equal(made[0][0, 0], clip[0])
    assert all(torch.equal(one, made[0]) for one in made)
    assert not torch.equal(made[0][0, 1], make(pipeline)[0, 1])


def test_the_generated_frames_follow_the_given_ones(pipeline: VideoGenerationPipeline, clip: torch.Tensor) -> None:
    one, other = make(pipeline, image=clip[0]), make(pipeline, image=clip[1])
    assert not torch.equal(one[:, 1:], other[:, 1:])


@pytest.mark.parametrize(
    "overrides", [{}, {"objective": "ddpm", "prediction_type": "velocity"}, {"prediction_type": "noise"}]
)
def test_all_given_frames_are_kept_by_every_objective(
    overrides: dict, clip: torch.Tensor, build_given_pipeline: Build
) -> None:
    pipe = build_given_pipeline(**overrides)
    ends = make(pipe, image=clip[0], last_image=clip[1])
    assert torch.equal(ends[0, [0, -1]], clip[:2])
    start = make(pipe, video=clip)
    assert torch.equal(start[0, :3], clip)
    assert torch.equal(make(pipe, video=list(clip / 255)), start)
    assert torch.equal(make(pipe, video=clip.permute(0, 2, 3, 1).numpy()), start)


def test_the_model_sees_given_frames_clean_at_timestep_0(pipeline: VideoGenerationPipeline, clip: torch.Tensor) -> None:
    seen = []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append((args[0].clone(), args[1].clone())), with_kwargs=True
    )
    try:
        make(pipeline, video=clip[:2])
    finally:
        handle.remove()
    for sample, timestep in seen:
        assert timestep.shape == (2, 4)  # guidance: with and without the caption
        assert timestep[:, :2].abs().max() == 0
        assert timestep[:, 2:].min() > 0
        assert torch.equal(sample[0, :2], pipeline.processor.normalize(clip[:2]))
    assert len(seen) == 2


def test_one_each_or_one_for_all(pipeline: VideoGenerationPipeline, clip: torch.Tensor) -> None:
    both = make(pipeline, prompt=[CAPTION, "a 7"], image=[clip[0], clip[1]], num_videos_per_prompt=2)
    assert torch.equal(both[:, 0], clip[[0, 0, 1, 1]])
    shared = make(pipeline, prompt=[CAPTION, "a 7"], image=clip[2])
    assert torch.equal(shared[:, 0], clip[[2, 2]])
    lengths = make(pipeline, prompt=[CAPTION, "a 7"], video=[clip[:1], clip])
    assert torch.equal(lengths[1, :3], clip)
    assert torch.equal(make(pipeline, prompt=None, image=clip[:2])[:, 0], clip[:2])
    with pytest.raises(ValueError, match="image holds 3 for 2 prompts"):
        make(pipeline, prompt=[CAPTION, "a 7"], image=list(clip))


def test_other_sizes_follow_the_processors_policy(pipeline: VideoGenerationPipeline) -> None:
    large = torch.randint(0, 256, (3, 30, 24), dtype=torch.uint8)
    expected = pipeline.processor.resize_and_crop(large[None])[0]
    assert torch.equal(make(pipeline, image=large)[0, 0], expected)
    assert make(pipeline, image=large, height=16, width=8).shape == (1, 4, 3, 16, 8)
    grey = torch.randint(0, 256, (1, 8, 12), dtype=torch.uint8)
    assert torch.equal(make(pipeline, image=grey)[0, 0], grey.expand(3, -1, -1))


def test_a_mask_over_frames_and_over_pixels(pipeline: VideoGenerationPipeline, clip: torch.Tensor) -> None:
    whole = torch.cat((clip, clip[:1]))
    frames = make(pipeline, video=whole, mask=[False, True, False, True])
    assert torch.equal(frames[0, [0, 2]], whole[[0, 2]])
    assert not torch.equal(frames[0, 1], whole[1])
    region = np.zeros((8, 12), dtype=bool)
    region[1:3, 5:7] = True  # two patches, in part
    seen = []
    handle = pipeline.transformer.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    made = make(pipeline, video=whole, mask=region)
    handle.remove()
    assert torch.equal(made[0][:, :, ~region], whole[:, :, ~region])
    assert not torch.equal(made[0][:, :, region], whole[:, :, region])
    assert (seen[0][0, 0] > 0).tolist() == [[False, True, False], [False, False, False]]
    assert torch.equal(make(pipeline, video=whole, mask=PIL.Image.fromarray(region.astype("uint8") * 255)), made)
    moving = np.stack([region, ~region, region, region])
    assert torch.equal(make(pipeline, video=whole, mask=moving)[0][:, :, 0, 0][[0, 2, 3]], whole[[0, 2, 3], :, 0, 0])


def test_a_model_that_never_saw_given_frames_is_warned_of_once(clip: torch.Tensor, build_given_pipeline: Build) -> None:
    pipe = build_given_pipeline(given_frame_patterns=None)
    with pytest.warns(UserWarning, match="trained without given frames"):
        make(pipe, image=clip[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(pipe, image=clip[0])
        make(build_given_pipeline(given_frame_patterns=["prefix"]), image=clip[0])
    with pytest.warns(UserWarning, match="of the kinds first, not of 'prefix'"):
        make(build_given_pipeline(given_frame_patterns=["first"]), video=clip)


def test_bad_input_says_what_to_do(pipeline: VideoGenerationPipeline, clip: torch.Tensor, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no picture")
    whole = torch.cat((clip, clip[:1]))
    cases: list[tuple[dict, str]] = [
        ({"image": torch.zeros(4, 8, 12)}, r"image has 4 channels .* expected 3, or 1 for grey"),
        ({"image": clip[0], "video": clip}, "image and video were both given"),
        ({"image": torch.full((3, 8, 12), 255.0)}, r"image has values from 255 to 255; expected \[0, 1\]"),
        ({"image": clip[0].long()}, r"image holds torch.int64 values"),
        ({"image": 7}, "image is int; expected a PIL image"),
        ({"image": tmp_path / "none.png"}, r"none\.png: there is no such file"),
        ({"image": tmp_path / "note.png"}, r"note\.png: it cannot be read as an image"),
        ({"video": whole}, "video has 4 frames and the model makes 4: pass num_frames"),
        ({"video": whole, "num_frames": 4}, "4 frames are given and num_frames is 4: nothing is left"),
        ({"video": clip, "last_image": clip[0], "num_frames": 4}, "4 frames are given and num_frames is 4"),
        ({"video": []}, "video is an empty list"),
        ({"mask": [True]}, "mask says which part of video"),
        ({"video": whole, "mask": [False] * 4}, "mask is false everywhere"),
        ({"video": whole, "mask": [True] * 3}, "mask has 3 frames and video 4"),
        ({"video": whole, "mask": np.ones((4, 4), bool)}, r"mask is 4x4 \(height x width\) and video 8x12"),
        ({"video": whole, "mask": torch.full((8, 12), 0.5)}, "mask has values other than 0 and 1"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message) as caught:
            make(pipeline, **options)
        assert "\n" not in str(caught.value)


# Latents.


def test_latents_of_a_given_start_are_those_of_the_autoencoder(
    build_latent_pipeline: Build, video_vae, clip: torch.Tensor
) -> None:
    pipe = build_latent_pipeline()
    made = make(pipe, video=clip)
    assert made.shape == (1, 9, 3, 8, 12)
    assert torch.equal(made[0, :3], clip)
    latents = pipe(CAPTION, video=clip, generator=torch.Generator().manual_seed(0), output_type="latent").frames
    assert latents.shape == (1, 5, 4, 4, 6)
    with torch.no_grad():
        # the autoencoder looks back alone: what follows makes no difference
        whole = torch.cat((clip, clip.flip(0), clip.flip(0)))
        mean, _ = encode_to_posterior(video_vae, pipe.processor.normalize(whole)[None])
        expected = normalize_latents(video_vae, mean.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(latents[:, :2], expected[:, :2])
    assert not torch.equal(made[0, 3:], make(pipe, image=clip[0])[0, 3:])


def test_frames_that_fill_no_whole_latent_are_refused(build_latent_pipeline: Build, clip: torch.Tensor) -> None:
    pipe = build_latent_pipeline()
    with pytest.raises(ValueError, match=r"2 given frames fill no whole number of latents: .* give 1 or 3"):
        make(pipe, video=clip[:2])
    with pytest.raises(ValueError, match="neither its last one"):
        make(pipe, image=clip[0], last_image=clip[1])
    with pytest.raises(ValueError, match="latents stand for 2 frames each"):
        make(pipe, video=clip.repeat(3, 1, 1, 1), mask=np.ones((8, 12), bool))


def test_an_image_autoencoder_takes_every_kind(clip: torch.Tensor, build_given_pipeline: Build) -> None:
    from diffusers import AutoencoderKL

    with torch.random.fork_rng():
        torch.manual_seed(0)
        blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
        vae = AutoencoderKL(**blocks, block_out_channels=[4, 4], norm_num_groups=2, latent_channels=4).eval()
    pipe = build_given_pipeline(vae=vae, spatial_compression=2, patch_size=(2, 2, 2), num_channels=4)
    ends = make(pipe, image=clip[0], last_image=clip[1])
    assert torch.equal(ends[0, [0, -1]], clip[:2])
    region = np.zeros((8, 12), dtype=bool)
    region[0, 0] = True
    whole = torch.cat((clip, clip[:1]))
    seen = []
    handle = pipe.transformer.register_forward_pre_hook(lambda module, args: seen.append(args[1]))
    made = make(pipe, video=whole, mask=region)
    handle.remove()
    assert torch.equal(made[0][:, :, ~region], whole[:, :, ~region])
    assert (seen[0][0, 0] > 0).tolist() == [[True, False, False], [False, False, False]]


def test_an_autoencoder_of_other_latents_is_refused(build_given_pipeline, video_vae) -> None:
    from diffusers import AutoencoderKL

    fits = {"temporal_compression": 2, "spatial_compression": 2, "patch_size": (1, 2, 2), "num_channels": 4}
    build_given_pipeline(vae=video_vae, frames=9, **fits)
    for name, wrong in (("num_channels", 8), ("temporal_compression", 4), ("spatial_compression", 1)):
        with pytest.raises(
            ValueError, match=f"the transformer's {name} is {wrong} and that of the autoencoder, a Autoen"
        ):
            build_given_pipeline(vae=video_vae, frames=9, **(fits | {name: wrong}))
    blocks = {"down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"]}
    images = AutoencoderKL(latent_channels=4, block_out_channels=[4], norm_num_groups=2, **blocks)
    with pytest.raises(
        ValueError, match="temporal_compression is 2 and that of the autoencoder, a AutoencoderKL, is 1"
    ):
        build_given_pipeline(vae=images, frames=9, **fits)
    # where only its videos say it
    config = build_given_pipeline(frames=9, **(fits | {"spatial_compression": 4})).transformer.config
    video, latents = torch.zeros(1, 9, 3, 8, 12), torch.zeros(1, 5, 4, 4, 6)
    with pytest.raises(ValueError, match=r"makes 9x8x12 \(frames, height, width\) of latents that stand for 9x16x24"):
        check_decoded(video, latents, config=config, made_by="Autoencoder")
