"""Writing clips: quality, odd sizes, rates, and no half-written files."""

import av
import pytest
import torch

from heygen_hf.data import decode_frames, write_video
from heygen_hf.data.video import VideoWriter
from heygen_hf.data.video.audio import decode_audio


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


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("seconds", [0.5, 1.3])
def test_sound_comes_back_in_its_place_and_as_long_as_it_was(tmp_path, random_frames, lossless, seconds):
    rate = 16_000
    times = torch.arange(round(seconds * rate)) / rate
    audio = 0.3 * torch.sin(2 * torch.pi * 440 * times) * (times > 0.2) * (times < 0.4)
    options = {"frame_rate": 8, "lossless": lossless, "audio": audio, "sampling_rate": rate}
    path = write_video(tmp_path / "a.mp4", random_frames(8), **options)
    clip = decode_audio(path, start_seconds=0, duration_seconds=seconds, sampling_rate=rate)
    assert clip.has_track
    assert clip.num_silent == 0
    assert (clip.samples - audio).square().mean() < 1e-4 * audio.square().mean()
    with av.open(str(path)) as container:
        (track,) = container.streams.audio
        assert track.codec_context.name == "aac"
        assert track.duration * track.time_base == pytest.approx(seconds)
        assert container.streams.video[0].frames == 8
    again = write_video(tmp_path / "b.mp4", random_frames(8), **options)
    assert not lossless or again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("audio", "rate", "complaint"),
    [
        (torch.zeros(100, dtype=torch.int16), 16_000, r"audio is int16\(100,\); expected floating point \(samples,\)"),
        (torch.zeros(100, 2), 16_000, "take the mean of several channels"),
        (torch.zeros(0), 16_000, "at least one sample"),
        (torch.full((9,), float("nan")), 16_000, "not finite"),
        (torch.zeros(100), 10_000, "sampling_rate is 10000; AAC has .*16000"),
        (torch.zeros(100), None, "sampling_rate is None"),
        (None, 16_000, "there is no audio"),
    ],
)
def test_audio_of_another_kind_is_refused(tmp_path, random_frames, audio, rate, complaint):
    with pytest.raises(ValueError, match=complaint):
        write_video(tmp_path / "a.mp4", random_frames(2), audio=audio, sampling_rate=rate)
    assert not list(tmp_path.iterdir())


def test_a_clip_written_in_pieces_is_that_written_at_once(tmp_path, random_frames):
    frames = random_frames()
    sound = {"audio": torch.sin(torch.arange(1600) / 20), "sampling_rate": 16000}
    whole = write_video(tmp_path / "whole.mp4", frames, lossless=True, **sound)
    with VideoWriter(tmp_path / "pieces.mp4", lossless=True, **sound) as writer:
        for piece in frames.split(3):
            writer.write(piece)
            assert not writer.path.exists()
    assert writer.path.read_bytes() == whole.read_bytes()
    with pytest.raises(ValueError, match="one video has one size"):
        _write_pieces(tmp_path / "bad.mp4", frames, frames[..., :-2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pieces.mp4", "whole.mp4"]


def _write_pieces(path, *pieces):
    with VideoWriter(path) as writer:
        for piece in pieces:
            writer.write(piece)
