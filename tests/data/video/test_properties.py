"""What a file is said to be."""

import av
import numpy as np
import pytest
import torch

from heygen_hf.data.video import BadVideoError, decode_frames, decode_sample, decode_video, probe_video
from heygen_hf.processing import VideoProcessor


def test_a_plain_clip(tmp_path, write_clip):
    found = probe_video(write_clip(tmp_path / "a.mp4", num_frames=10))
    assert (found.num_frames, found.frame_rate, found.height, found.width) == (10, 25, 48, 64)
    assert (found.codec, found.pixel_format, found.rotation_degrees) == ("h264", "yuv420p", 0)
    assert found.duration_seconds == pytest.approx(0.4)
    assert found.start_seconds == 0
    assert not found.has_audio
    assert not found.is_variable_frame_rate
    assert found.timestamps_seconds.dtype == np.float64
    assert found.timestamps_seconds.tolist() == pytest.approx([n / 25 for n in range(10)])


def test_a_clip_that_starts_later_and_varies(tmp_path, write_clip):
    ticks = [8000, 8040, 8080, 8500, 8540]
    for suffix in ("mp4", "mkv"):
        found = probe_video(write_clip(tmp_path / f"a.{suffix}", num_frames=5, ticks=ticks))
        assert found.timestamps_seconds.tolist() == pytest.approx([tick / 1000 for tick in ticks])
        assert found.start_seconds == pytest.approx(8)
        assert found.is_variable_frame_rate
        assert found.duration_seconds == pytest.approx(0.58, abs=0.1)


def test_milliseconds_rounded_in_matroska_are_no_variable_rate(tmp_path, write_clip):
    ticks = [round(n * 1000 / 30) for n in range(30)]  # 33 and 34 ms
    assert not probe_video(write_clip(tmp_path / "a.mkv", num_frames=30, ticks=ticks)).is_variable_frame_rate


def test_old_containers_without_times_of_presentation(tmp_path, write_clip):
    found = probe_video(write_clip(tmp_path / "a.avi", codec="mpeg4", num_frames=12, bf="2"))
    assert found.num_frames == 12
    assert np.diff(found.timestamps_seconds) == pytest.approx(np.full(11, 1 / 25))


def test_a_rotated_clip_is_measured_upright(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=3, setup=lambda stream: stream.set_display_rotation(90))
    found = probe_video(path)
    assert (found.height, found.width, found.rotation_degrees) == (64, 48, 90)
    scaled = decode_frames(path, processor=VideoProcessor(height=16, width=12)).frames
    assert scaled.shape == (3, 3, 16, 12)


def test_cover_art_is_not_the_video_and_sound_is_seen(tmp_path):
    for with_video in (True, False):
        path = tmp_path / f"{with_video}.mp4"
        with av.open(str(path), "w") as container:
            cover = container.add_stream("mjpeg", rate=1)
            cover.height, cover.width, cover.pix_fmt = 16, 16, "yuvj420p"
            cover.disposition = av.stream.Disposition.attached_pic
            video = container.add_stream("libx264", rate=25) if with_video else None
            if video:
                video.height, video.width, video.pix_fmt = 48, 64, "yuv420p"
            sound = container.add_stream("aac", rate=16000, layout="mono")
            container.mux(cover.encode(grey(16, 16)))
            container.mux(cover.encode())
            for _ in range(5 if video else 0):
                container.mux(video.encode(grey(48, 64)))
            container.mux(video.encode() if video else [])
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16000
            container.mux(sound.encode(silence))
            container.mux(sound.encode())
        if with_video:
            found = probe_video(path)
            assert (found.num_frames, found.height, found.width, found.has_audio) == (5, 48, 64, True)
            assert decode_frames(path).frames.shape == (5, 3, 48, 64)
        else:
            for read in (probe_video, decode_frames):
                with pytest.raises(BadVideoError, match="it has no video stream"):
                    read(path)


def grey(height: int, width: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(np.full((height, width, 3), 99, np.uint8), format="rgb24")


def test_a_rate_is_kept_where_frames_come_unevenly(tmp_path, write_clip):
    # 10 a second for 2 s, then 50 a second: at 10 a second, every frame and then every fifth
    ticks = [100 * n for n in range(20)] + [2000 + 20 * n for n in range(44)]
    path = write_clip(tmp_path / "a.mp4", num_frames=64, ticks=ticks, g="12")
    found = probe_video(path)
    processor = VideoProcessor(num_frames=25, target_fps=10, height=48, width=64)
    frames = decode_frames(path).frames
    wanted = [*range(20), 20, 25, 30, 35, 40]
    sample = decode_sample(
        path,
        processor=processor,
        total_frames=found.num_frames,
        frame_rate=found.frame_rate,
        timestamps_seconds=found.timestamps_seconds,
    )
    assert torch.equal(sample, frames[wanted])
    assert torch.equal(decode_video(path, processor=processor).frames, frames[wanted])
