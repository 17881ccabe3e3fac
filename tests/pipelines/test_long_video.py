"""Videos longer than a window: what windows share, what they cost, where they end."""

import gc
from collections.abc import Callable
from contextlib import suppress

import pytest
import torch

from heygen_hf.models.video_transformer import VideoTransformerConfig
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.pipelines.long_video import plan_windows

CAPTION = "a red 7 moves left"
Build = Callable[..., VideoGenerationPipeline]


@pytest.fixture(scope="module")
def pipeline(build_given_pipeline: Build) -> VideoGenerationPipeline:
    return build_given_pipeline()


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def stream(pipe: VideoGenerationPipeline, num_frames: int, **options: object) -> list[torch.Tensor]:
    return list(pipe.stream_windows(CAPTION, num_frames=num_frames, generator=seeded(), **options))


def seen_by_the_model(pipe: VideoGenerationPipeline, run: Callable[[], object]) -> list[tuple[torch.Tensor, ...]]:
    """The clip and the timesteps of the first step of every window."""
    seen: list[tuple[torch.Tensor, ...]] = []
    handle = pipe.transformer.register_forward_pre_hook(lambda module, args: seen.append((args[0].clone(), args[1])))
    try:
        run()
    finally:
        handle.remove()
    return seen[:: pipe.config.num_inference_steps]


def test_each_window_is_given_the_last_frames_of_the_one_before(pipeline: VideoGenerationPipeline) -> None:
    windows: list[torch.Tensor] = []
    seen = seen_by_the_model(pipeline, lambda: windows.extend(stream(pipeline, 11, context_frames=3, guidance_scale=1)))
    assert [window.shape[1] for window in windows] == [4, 1, 1, 1, 1, 1, 1, 1]
    video = torch.cat(windows, dim=1)
    for i, (clip, timestep) in enumerate(seen[1:]):
        context = pipeline.processor.postprocess(clip[:, :3], output_type="pt")
        assert torch.equal(context, video[:, i + 1 : i + 4])
        assert (timestep[0] == 0).tolist() == [True, True, True, False]


def test_a_window_is_what_a_call_with_its_context_makes(pipeline: VideoGenerationPipeline) -> None:
    windows = stream(pipeline, 8, context_frames=2)
    generator = seeded()
    first = pipeline(CAPTION, generator=generator, output_type="pt").frames
    second = pipeline(CAPTION, video=first[:, 2:], generator=generator, output_type="pt").frames
    assert torch.equal(windows[0], first)
    torch.testing.assert_close(windows[1], second[:, 2:])
    third = pipeline(CAPTION, video=second[:, 2:], generator=generator, output_type="pt").frames
    torch.testing.assert_close(windows[2], third[:, 2:])


def test_a_call_makes_windows_of_a_model_that_learned_to_go_on(build_given_pipeline: Build) -> None:
    options = {"num_frames": 6, "output_type": "pt"}
    pipe = build_given_pipeline()
    made = pipe(CAPTION, generator=seeded(), **options).frames
    assert torch.equal(made, torch.cat(stream(pipe, 6), dim=1))
    at_once = pipe(CAPTION, generator=seeded(), context_frames=0, **options).frames
    assert not torch.equal(at_once, made)
    assert torch.equal(
        build_given_pipeline(given_frame_patterns=None)(CAPTION, generator=seeded(), **options).frames, at_once
    )
    assert pipe(CAPTION, generator=seeded(), num_frames=7, output_type="np").frames.shape == (1, 7, 8, 12, 3)


@pytest.mark.parametrize("length", [1, 3, 4, 7])
def test_a_clip_of_any_length_goes_on(pipeline: VideoGenerationPipeline, length: int) -> None:
    clip = torch.randint(0, 256, (length, 3, 8, 12), dtype=torch.uint8)
    video = torch.cat(stream(pipeline, 10, video=clip, context_frames=2), dim=1)
    assert video.shape[1] == 10
    assert torch.equal((video[0, :length] * 255).round().to(torch.uint8), clip)


def test_batches_and_repeats_go_on_each_for_itself(pipeline: VideoGenerationPipeline) -> None:
    clips = torch.randint(0, 256, (2, 5, 3, 8, 12), dtype=torch.uint8)
    options = {"video": clips, "num_frames": 8, "num_videos_per_prompt": 2, "output_type": "pt"}
    made = pipeline([CAPTION, "a 7"], generator=[torch.Generator().manual_seed(i) for i in range(4)], **options).frames
    assert torch.equal((made[:, :5] * 255).round().to(torch.uint8), clips.repeat_interleave(2, 0))
    alone = pipeline("a 7", generator=torch.Generator().manual_seed(3), video=clips[1], num_frames=8, output_type="pt")
    torch.testing.assert_close(made[3], alone.frames[0], atol=1e-5, rtol=1e-4)


def test_noise_on_the_context_is_seen_by_the_model_alone(pipeline: VideoGenerationPipeline) -> None:
    windows: list[torch.Tensor] = []
    options = {"context_frames": 2, "guidance_scale": 1, "context_noise": 0.1}
    seen = seen_by_the_model(pipeline, lambda: windows.extend(stream(pipeline, 6, **options)))
    given = pipeline.processor.postprocess(seen[1][0][:, :2].clamp(-1, 1), output_type="pt")
    difference = (given - windows[0][:, 2:]).std()
    assert 0.01 < difference < 0.06
    clean = stream(pipeline, 6, context_frames=2, guidance_scale=1)
    assert torch.equal(clean[0], windows[0])
    assert not torch.equal(clean[1], windows[1])


def test_latents_go_on_from_frames_encoded_anew(build_latent_pipeline: Build) -> None:
    pipe = build_latent_pipeline()
    windows = stream(pipe, 18, context_frames=3)
    assert [window.shape[1] for window in windows] == [9, 6, 3]
    with pytest.raises(ValueError, match=r"context_frames=4 fills no whole number of latents; .* 3 and 5"):
        stream(pipe, 18, context_frames=4)


def test_the_default_context_is_half_a_window() -> None:
    def default(frames: int, compression: int) -> int:
        config = VideoTransformerConfig(sample_frames=frames, temporal_compression=compression)
        return plan_windows(config).context_frames

    assert [default(8, 1), default(2, 1), default(17, 4), default(5, 4)] == [4, 1, 5, 1]


def test_many_windows_cost_what_two_cost(pipeline: VideoGenerationPipeline) -> None:
    """Bytes of all tensors alive at every step of every window."""

    def most(num_frames: int) -> int:
        peak = 0

        def measure(*_: object) -> None:
            nonlocal peak
            storages = {}
            for found in gc.get_objects():
                if type(found) is torch.Tensor:
                    with suppress(NotImplementedError):  # of torch.func, which another test left behind
                        storages[found.untyped_storage().data_ptr()] = found.untyped_storage().nbytes()
            peak = max(peak, sum(storages.values()))

        options = {"context_frames": 2, "num_inference_steps": 1, "callback_on_step_end": measure}
        frames = 0
        for window in pipeline.stream_windows(CAPTION, num_frames=num_frames, height=64, width=64, **options):
            frames += window.shape[1]
            del window
        assert frames == num_frames
        return peak

    gc.collect()
    two, eight = most(6), most(18)
    assert eight <= two
    assert two > 4 * 3 * 64 * 64 * 4  # the window itself was seen


def test_bad_input_says_what_to_do(pipeline: VideoGenerationPipeline) -> None:
    clip = torch.randint(0, 256, (5, 3, 8, 12), dtype=torch.uint8)
    cases = [
        ({"context_frames": 4}, "context_frames=4 must lie between 1 and 3"),
        ({"video": clip, "num_frames": 5}, "5 frames are given and num_frames is 5"),
        ({"last_image": clip[0]}, "last_image closes a video of one window"),
        ({"video": [clip, clip[:2]]}, r"have \[2, 5\] frames; videos made in windows need one length"),
        ({"frames": 3}, "no argument 'frames'"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            list(pipeline.stream_windows(["a", "b"], **{"num_frames": 9, **options}))
    with pytest.raises(ValueError, match="no latents of its own"):
        pipeline(CAPTION, num_frames=9, output_type="latent")
