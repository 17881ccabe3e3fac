"""Writing clips: quality, odd sizes, rates, and no half-written files."""

import av
import pytest
import torch

from heygen_hf.data import decode_frames, write_video


def smooth_frames(height: int, width: int) -> torch.Tensor:
    rows = torch.linspace(0, 255, height)[:, None].expand(height, width)
    columns = torch.linspace(0, 255, width).expand(height, width)
    return torch.stack([rows, columns, 255 - rows]).round().to(torch.uint8).expand(6, 3, height, width)


def test_the_default_kind_plays_everywhere_and_looks_the_same(tmp_path):
    frames = smooth_frames(64, 48)
    path = write_video(tmp_path / "a.mp4", frames, frame_rate=24)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 24)
    decoded = decode_frames(path).frames
    error = (decoded.float() - frames.float()).square().mean()
    assert 10 * torch.log10(255**2 / error) > 38  # dB


def test_odd_sizes_gain_a_copy_of_the_last_row_and_column(tmp_path):
    decoded = decode_frames(write_video(tmp_path / "a.mp4", smooth_frames(33, 47))).frames
    assert decoded.shape == (6, 3, 34, 48)
    assert (decoded[..., -1, :].float() - decoded[..., -2, :].float()).abs().mean() < 3


def test_the_same_frames_give_the_same_bytes(tmp_path, random_frames):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, random_frames(), lossless=True)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, random_frames):
    path = write_video(tmp_path / "a.mp4", random_frames(), lossless=True)
    before = path.read_bytes()
    with pytest.raises(av.error.FFmpegError):
        write_video(path, random_frames(height=2, width=20_000), lossless=True)  # too wide for H.264
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize(
    ("frames", "frame_rate", "complaint"),
    [
        (torch.zeros(4, 3, 8, 8), 8, "expected uint8"),
        (torch.zeros(4, 8, 8, 3, dtype=torch.uint8), 8, "3 channels"),
        (torch.zeros(0, 3, 8, 8, dtype=torch.uint8), 8, "at least one frame"),
        (torch.zeros(4, 3, 8, 8, dtype=torch.uint8), 0, "frame_rate is 0"),
    ],
)
def test_frames_of_another_kind_are_refused(tmp_path, frames, frame_rate, complaint):
    with pytest.raises(ValueError, match=complaint):
        write_video(tmp_path / "a.mp4", frames, frame_rate=frame_rate)
