"""Scaling while decoding against `VideoProcessor.scale` of the full-size frames: the differences stated."""

import pytest
import torch

from heygen_hf.data.video import decode_frames
from heygen_hf.processing import VideoProcessor


def difference(one: torch.Tensor, other: torch.Tensor) -> tuple[float, int]:
    assert one.shape == other.shape
    absolute = (one.int() - other.int()).abs()
    return absolute.float().mean().item(), int(absolute.max())


@pytest.mark.parametrize(
    ("interpolation", "mean", "largest"), [("bilinear", 0.3, 1), ("bicubic", 0.3, 2), ("area", 0, 0), ("nearest", 0, 0)]
)
@pytest.mark.parametrize(
    ("mode", "height", "width"), [("cover", 60, 60), ("contain", 50, 90), ("stretch", 70, 40), ("cover", 150, 200)]
)
def test_nearly_the_processors_own_scaling(tmp_path, write_clip, interpolation, mode, height, width, mean, largest):
    path = write_clip(tmp_path / "a.mp4", height=96, width=128, num_frames=6, g="3")
    processor = VideoProcessor(height=height, width=width, resize_mode=mode, interpolation=interpolation)
    for indices in (None, [5, 2]):
        exact = processor.scale(decode_frames(path, indices).frames)
        found = difference(decode_frames(path, indices, processor=processor).frames, exact)
        assert found[0] <= mean
        assert found[1] <= largest


@pytest.mark.parametrize("quality", ["23", "40"])
def test_less_smoothing_where_frames_shrink_to_half_changes_little(tmp_path, write_clip, quality):
    path = write_clip(tmp_path / "a.mp4", height=192, width=256, num_frames=24, crf=quality)
    processor = VideoProcessor(height=64, width=64)
    exact = processor.scale(decode_frames(path).frames)
    mean, largest = difference(decode_frames(path, processor=processor).frames, exact)
    assert mean < 0.5
    assert largest <= 20
    one_by_one = torch.cat([decode_frames(path, [number], processor=processor).frames for number in range(24)])
    assert torch.equal(one_by_one, decode_frames(path, processor=processor).frames)


def test_frames_of_the_right_size_and_no_scaling_are_untouched(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=6)
    frames = decode_frames(path).frames
    for processor in (VideoProcessor(height=48, width=64), VideoProcessor(height=20, width=20, resize_mode="none")):
        assert torch.equal(decode_frames(path, processor=processor).frames, frames)
    with pytest.raises(ValueError, match="smaller than 64x64 and resize_mode is 'none'"):
        decode_frames(path, processor=VideoProcessor(height=64, width=64, resize_mode="none"))


def test_clips_do_not_share_memory(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=9)
    for processor in (None, VideoProcessor(height=48, width=64), VideoProcessor(height=24, width=32)):
        frames = decode_frames(path, processor=processor).frames
        assert (frames[0] != frames[4]).any()  # four at a time pass through one buffer
        assert (frames[4] != frames[8]).any()
