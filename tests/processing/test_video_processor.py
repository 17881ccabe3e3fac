"""VideoProcessor: geometry, values, forms of input and output, saving and loading."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.video_processor import ImageProcessingMixin
from heygen_hf.types import VideoClip


@pytest.fixture
def frames() -> torch.Tensor:
    """`(9, 3, 20, 30)`"""
    return torch.randint(0, 256, (9, 3, 20, 30), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_saved_and_loaded_it_is_the_same(tmp_path):
    processor = VideoProcessor(num_frames=5, target_fps=12.5, height=48, image_mean=[0.4, 0.5, 0.6], pad_policy="loop")
    processor.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert saved["image_processor_type"] == "VideoProcessor"
    loaded = VideoProcessor.from_pretrained(tmp_path)
    assert loaded.to_dict() == processor.to_dict()
    assert isinstance(loaded, ImageProcessingMixin)
    assert VideoProcessor.from_pretrained(tmp_path, num_frames=7).num_frames == 7


def test_importing_it_needs_no_torchvision():
    code = (
        "import sys; sys.modules['torchvision'] = None\n"
        "from heygen_hf.processing import VideoProcessor; VideoProcessor()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"num_frame": 4}, "did you mean 'num_frames'"),
        ({"num_frames": 0}, "num_frames is 0"),
        ({"height": 32.0}, "height is 32.0"),
        ({"resize_mode": "fill"}, "one of cover, contain, stretch, none"),
        ({"target_fps": 8, "temporal_stride": 2}, "set one of the two"),
        ({"target_fps": 0}, "target_fps is 0"),
        ({"image_std": [0.5, 0.0, 0.5]}, "image_std"),
    ],
)
def test_fields_that_cannot_work_are_refused(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        VideoProcessor(**fields)


def test_frames_of_the_right_size_are_left_alone(frames):
    for mode in ("cover", "contain", "stretch", "none"):
        resized = VideoProcessor(height=20, width=30, resize_mode=mode).resize_and_crop(frames)
        assert torch.equal(resized, frames)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area", "nearest"])
@pytest.mark.parametrize("mode", ["cover", "contain", "stretch"])
@pytest.mark.parametrize("size", [(7, 13), (40, 40), (64, 16)])
def test_every_mode_gives_the_size_asked_for(frames, interpolation, mode, size):
    processor = VideoProcessor(height=size[0], width=size[1], resize_mode=mode, interpolation=interpolation)
    resized = processor.resize_and_crop(frames)
    assert resized.shape == (9, 3, *size)
    assert resized.dtype == torch.uint8


def test_cover_fills_the_frame_and_contain_shows_all_of_it():
    # white on the left and right edges, grey between: 20 x 40
    clip = torch.full((1, 3, 20, 40), 100, dtype=torch.uint8)
    clip[..., :10] = clip[..., -10:] = 255
    covered = VideoProcessor(height=10, width=10, resize_mode="cover").resize_and_crop(clip)
    assert (covered[..., 1:-1] == 100).all()  # the middle square only; antialiasing blends at its edges
    contained = VideoProcessor(height=20, width=20, resize_mode="contain", interpolation="area").resize_and_crop(clip)
    assert (contained[..., :5, :] == 0).all()
    assert (contained[..., -5:, :] == 0).all()
    assert (contained[0, 0, 5:15, 0] == 255).all()
    assert (contained[0, 0, 5:15, 10] == 100).all()
    stretched = VideoProcessor(height=10, width=10, resize_mode="stretch").resize_and_crop(clip)
    assert (stretched[..., 0] == 255).all()


def test_a_flat_colour_survives_any_scaling():
    clip = torch.full((2, 3, 33, 57), 77, dtype=torch.uint8)
    for interpolation in ("bilinear", "bicubic", "area", "nearest"):
        processor = VideoProcessor(height=10, width=90, interpolation=interpolation)
        assert (processor.resize_and_crop(clip) == 77).all()


def test_random_crops_depend_on_the_seed_and_are_the_same_for_all_frames():
    column = torch.arange(60, dtype=torch.uint8).expand(4, 3, 20, 60)
    processor = VideoProcessor(height=20, width=20, crop_position="random")
    lefts = set()
    for seed in range(300):
        cropped = processor.resize_and_crop(column, seed=seed)
        assert len(cropped[:, 0, 0, 0].unique()) == 1
        lefts.add(int(cropped[0, 0, 0, 0]))
    assert lefts == set(range(41))
    assert processor.resize_and_crop(column)[0, 0, 0, 0] == 20  # no seed: central


def test_no_scaling_refuses_smaller_frames(frames):
    with pytest.raises(ValueError, match="smaller than 32x32 and resize_mode is 'none'"):
        VideoProcessor(resize_mode="none").resize_and_crop(frames)
    cropped = VideoProcessor(height=10, width=10, resize_mode="none").resize_and_crop(frames)
    assert torch.equal(cropped, frames[..., 5:15, 10:20])


def test_normalising_reaches_both_ends_and_is_undone_exactly():
    processor = VideoProcessor()
    every_value = torch.arange(256, dtype=torch.uint8).view(1, 1, 1, 16, 16).expand(2, 4, 3, -1, -1)
    normalised = processor.normalize(every_value)
    assert normalised.dtype == torch.float32
    assert normalised.min() == -1.0
    assert normalised.max() == 1.0
    assert torch.equal(processor.to_uint8(normalised), every_value)


def test_statistics_can_differ_by_channel(frames):
    processor = VideoProcessor(image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 1.0, 2.0])
    normalised = processor.normalize(frames)
    by_hand = (frames[:, 2].double() / 255 - 0.3) / 2.0
    torch.testing.assert_close(normalised[:, 2].double(), by_hand, atol=1e-6, rtol=0)
    assert torch.equal(processor.to_uint8(normalised), frames)


def test_all_forms_of_a_clip_give_the_same_values(frames):
    processor = VideoProcessor(num_frames=4, temporal_stride=2, height=16, width=16)
    arrays = frames.permute(0, 2, 3, 1).numpy()
    images = [Image.fromarray(frame) for frame in arrays]
    expected = processor(frames)["pixel_values"]
    assert expected.shape == (1, 4, 3, 16, 16)
    for form in (
        arrays,
        images,
        [arrays],
        [images, images],
        frames[None],
        VideoClip(frames=frames, frame_rate=9.0),
    ):
        values = processor(form)["pixel_values"]
        assert torch.equal(values[:1], expected)
    assert isinstance(processor(frames, return_tensors="np")["pixel_values"], np.ndarray)


def test_a_batch_equals_its_items_one_by_one(frames):
    processor = VideoProcessor(num_frames=4, frame_position="random", crop_position="random", height=16, width=16)
    batch = processor([frames, frames.flip(0)], seed=[3, 4])["pixel_values"]
    assert torch.equal(batch[0], processor(frames, seed=3)["pixel_values"][0])
    assert torch.equal(batch[1], processor(frames.flip(0), seed=4)["pixel_values"][0])


def test_input_that_is_no_clip_is_refused(frames):
    processor = VideoProcessor()
    for wrong, complaint in [
        (frames.float(), "torch.float32 values"),
        (frames[:, :2], "2 channels"),
        (frames[0], "a clip is Tensor of shape"),
        ([], "an empty list"),
        ("clip.mp4", "a clip is str"),
    ]:
        with pytest.raises(ValueError, match=complaint):
            processor(wrong)
    with pytest.raises(ValueError, match="pass frame_rate"):
        VideoProcessor(target_fps=4)(frames)
    with pytest.raises(ValueError, match="too short for 10 and pad_policy is 'drop'"):
        VideoProcessor(num_frames=10, pad_policy="drop")(frames)


def test_postprocess_undoes_normalisation_in_every_form(frames):
    processor = VideoProcessor(height=20, width=30, num_frames=9)
    video = processor(frames)["pixel_values"]
    as_tensor = processor.postprocess(video, "pt")
    torch.testing.assert_close(as_tensor[0], frames / 255)
    as_array = processor.postprocess(video, "np")
    assert as_array.shape == (1, 9, 20, 30, 3)
    np.testing.assert_allclose(as_array[0], frames.permute(0, 2, 3, 1).numpy() / 255, atol=1e-6)
    as_images = processor.postprocess(video, "pil")
    assert np.array_equal(np.asarray(as_images[0][4]), frames[4].permute(1, 2, 0).numpy())
    assert processor.postprocess(video * 3, "pt").max() <= 1.0
    with pytest.raises(ValueError, match="output_type is 'gif'"):
        processor.postprocess(video, "gif")
