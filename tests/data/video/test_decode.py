"""Decoding: exact frames, orientation, depth, odd sizes, and a reason for every bad file."""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from heygen_hf.data import BadVideoError, decode_frames, decode_video, probe_video, write_video
from heygen_hf.data.video.decode import ClipTooLargeError, ShortVideoError
from heygen_hf.processing import VideoProcessor

SAMPLE_CLIPS = Path(os.environ.get("HEYGEN_HF_TEST_CLIPS", Path(__file__).parents[4] / "shared" / "data" / "clips"))
needs_sample_clips = pytest.mark.skipif(not SAMPLE_CLIPS.is_dir(), reason="HEYGEN_HF_TEST_CLIPS names no folder")


def test_lossless_files_come_back_exactly_at_odd_sizes(tmp_path, random_frames):
    frames = random_frames(5, height=17, width=23)
    clip = decode_frames(write_video(tmp_path / "a.mp4", frames, frame_rate=12.5, lossless=True))
    assert torch.equal(clip.frames, frames)
    assert clip.frame_rate == 12.5
    assert clip.timestamps_seconds.tolist() == pytest.approx([0, 0.08, 0.16, 0.24, 0.32])


def test_indices_in_any_order_and_repeated(tmp_path, random_frames):
    frames = random_frames(40)
    path = write_video(tmp_path / "a.mp4", frames, lossless=True)
    wanted = [33, 2, 2, 17, 0]
    clip = decode_frames(path, wanted)
    assert torch.equal(clip.frames, frames[wanted])
    assert clip.timestamps_seconds.tolist() == pytest.approx([index / 8 for index in wanted])
    assert torch.equal(decode_frames(path, max_frames=7).frames, frames[:7])


def test_nothing_after_the_last_frame_needed_is_decoded(tmp_path, random_frames):
    # the tail is cut off, so decoding it would fail
    path = write_with_header_first(tmp_path / "a.mp4", random_frames(60, height=32, width=32))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert decode_frames(path, [0, 3]).num_frames == 2
    with pytest.raises(BadVideoError, match="truncated"):
        decode_frames(path)


def write_with_header_first(path: Path, frames: torch.Tensor) -> Path:
    """H.264 with its index at the front, so that a truncated file still opens."""
    return write_video(path, frames)


def test_a_rotated_clip_is_shown_upright(tmp_path):
    # red on top, blue below; stored turned, with the display matrix that turns it back
    upright = torch.zeros(3, 3, 32, 48, dtype=torch.uint8)
    upright[:, 0, :16], upright[:, 2, 16:] = 255, 255
    upright[:, 1, :, :8] = 255  # and green on the left, to tell it from its mirror image
    for degrees in (90, 180, -90):
        stored = np.rot90(upright[0].permute(1, 2, 0).numpy(), k=-degrees // 90)
        path = tmp_path / f"{degrees}.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264rgb", rate=8, options={"qp": "0"})
            stream.height, stream.width, stream.pix_fmt = *stored.shape[:2], "rgb24"
            stream.set_display_rotation(degrees)
            for _ in range(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(stored), format="rgb24")))
            container.mux(stream.encode())
        assert torch.equal(decode_frames(path).frames, upright)
        assert (probe_video(path).height, probe_video(path).width) == (32, 48)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "suffix", "tolerance"),
    [
        ("libx264", "yuv420p", "mkv", 4),
        ("libx265", "yuv420p10le", "mp4", 4),  # 10 bit
        ("libx264", "yuv444p", "mp4", 4),
        ("mpeg4", "yuv420p", "avi", 6),
        ("libvpx-vp9", "yuv420p", "webm", 6),
        ("gif", "rgb8", "gif", 40),  # 8 colours a channel at most
    ],
)
def test_codecs_and_pixel_formats(tmp_path, codec, pixel_format, suffix, tolerance):
    # a smooth ramp, which every codec keeps
    ramp = torch.linspace(60, 190, 64).round().to(torch.uint8)
    frames = torch.stack(
        [ramp.expand(48, 64), torch.full((48, 64), 120, dtype=torch.uint8), ramp.flip(0).expand(48, 64)]
    )
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(10))
        stream.height, stream.width, stream.pix_fmt = 48, 64, pixel_format
        stream.bit_rate = 4_000_000
        for _ in range(6):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frames.permute(1, 2, 0).numpy()), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    clip = decode_frames(path)
    assert clip.frames.shape == (6, 3, 48, 64)
    assert probe_video(path).num_frames == 6
    difference = (clip.frames.float() - frames.float()).abs().mean()
    assert difference < tolerance


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (b"", "empty"),
        (b"just some text\n" * 100, "not a readable video"),
        ("truncated", "truncated"),
        ("audio", "no video stream"),
        (None, "does not exist"),
    ],
)
def test_bad_files_give_their_reason(tmp_path, random_frames, contents, reason):
    path = tmp_path / "a.mp4"
    if contents == "truncated":
        write_video(path, random_frames(), lossless=True)
        path.write_bytes(path.read_bytes()[:-300])
    elif contents == "audio":
        write_silence(path)
    elif contents is not None:
        path.write_bytes(contents)
    for read in (decode_frames, probe_video):
        with pytest.raises(BadVideoError, match=reason) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def write_silence(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(BadVideoError):
        decode_frames(tmp_path)


def test_too_few_frames_and_too_many_bytes(tmp_path, random_frames):
    path = write_video(tmp_path / "a.mp4", random_frames(5), lossless=True)
    with pytest.raises(ShortVideoError, match="it has 5 frames") as caught:
        decode_frames(path, [2, 9])
    assert caught.value.num_frames == 5
    assert decode_frames(path, max_bytes=5 * 3 * 16 * 16).num_frames == 5
    with pytest.raises(ClipTooLargeError):
        decode_frames(path, max_bytes=5 * 3 * 16 * 16 - 1)


def test_decode_video_samples_and_resizes(tmp_path, random_frames):
    frames = random_frames(20, height=16, width=16)
    path = write_video(tmp_path / "a.mp4", frames, lossless=True)
    processor = VideoProcessor(num_frames=4, temporal_stride=3, frame_position="center", height=16, width=16)
    assert torch.equal(decode_video(path, processor=processor).frames, frames[[5, 8, 11, 14]])
    black = VideoProcessor(num_frames=8, temporal_stride=5, pad_policy="zero", height=16, width=16)
    padded = decode_video(path, processor=black).frames
    assert torch.equal(padded[:4], frames[[0, 5, 10, 15]])
    assert not padded[4:].any()
    with pytest.raises(BadVideoError, match="too short: 20 frames, 21 wanted"):
        decode_video(path, processor=VideoProcessor(num_frames=21, pad_policy="drop"))


@needs_sample_clips
@pytest.mark.parametrize(
    ("name", "num_frames", "height", "width", "frame_rate"),
    [
        ("av1_video.mkv", 125, 360, 640, 25),
        ("h265_video.mp4", 10, 128, 128, 10),
        ("hiker.mp4", 49, 480, 720, 8),
        ("nasa_13013_rotated.mp4", 17, 480, 270, 30000 / 1001),
        ("test_non_zero_start.mp4", 12, 112, 200, 30),
        ("testsrc2_mpeg4.avi", 30, 720, 1280, 30),
        ("testsrc2_odd_height_and_width_mpeg2.mp4", 10, 81, 121, 25),
        ("testsrc2_vp9.webm", 30, 720, 1280, 30),
    ],
)
def test_sample_clips(name, num_frames, height, width, frame_rate):
    found = probe_video(SAMPLE_CLIPS / name)
    assert (found.num_frames, found.height, found.width) == (num_frames, height, width)
    assert found.frame_rate == pytest.approx(frame_rate)
    clip = decode_frames(SAMPLE_CLIPS / name, [0, 5])
    assert clip.frames.shape == (2, 3, height, width)
    assert clip.frames.float().std() > 10  # a picture
    assert clip.timestamps_seconds[1] - clip.timestamps_seconds[0] == pytest.approx(5 / frame_rate, abs=2e-3)
