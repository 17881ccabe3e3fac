"""PyAV and torchcodec give the same frames. Only where torchcodec loads; it needs FFmpeg's libraries."""

import pytest
import torch

from heygen_hf._optional import is_available
from heygen_hf.data.video import BadVideoError, ShortVideoError, decode_frames
from heygen_hf.processing import VideoProcessor

needs_torchcodec = pytest.mark.skipif(not is_available("torchcodec"), reason="torchcodec does not load here")


@needs_torchcodec
def test_the_sample_clips_bit_for_bit(sample_clips):
    for path in sample_clips:
        ours = decode_frames(path, [0, 7, 3], decoder="pyav")
        theirs = decode_frames(path, [0, 7, 3], decoder="torchcodec")
        assert torch.equal(ours.frames, theirs.frames), path.name
        torch.testing.assert_close(ours.timestamps_seconds, theirs.timestamps_seconds, atol=1e-3, rtol=0)


@needs_torchcodec
@pytest.mark.parametrize(
    ("pixel_format", "height", "width", "codec"),
    [
        ("yuv420p", 48, 64, "libx264"),
        ("yuv420p", 50, 70, "libx264"),
        ("yuv444p", 33, 47, "libx264"),
        ("yuv420p10le", 48, 64, "libx265"),
        ("yuv422p10le", 48, 64, "libx264"),
        ("yuv420p", 33, 47, "libvpx-vp9"),
        ("yuvj420p", 48, 64, "mjpeg"),
    ],
)
def test_formats_bit_for_bit(tmp_path, write_clip, pixel_format, height, width, codec):
    path = write_clip(
        tmp_path / "a.mkv", codec=codec, pixel_format=pixel_format, height=height, width=width, num_frames=12, g="5"
    )
    for indices in (None, [11, 4, 4]):
        for source in (path, path.read_bytes()):
            ours = decode_frames(source, indices, decoder="pyav")
            theirs = decode_frames(source, indices, decoder="torchcodec")
            assert torch.equal(ours.frames, theirs.frames)
            assert theirs.source_size == (height, width)


@needs_torchcodec
def test_scaled_frames_and_bad_files(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=12)
    processor = VideoProcessor(height=32, width=32)
    ours, theirs = (
        decode_frames(path, [9, 2], processor=processor, decoder=name).frames for name in ("auto", "torchcodec")
    )
    assert torch.equal(ours, theirs)
    with pytest.raises(ShortVideoError, match="it has 12 frames"):
        decode_frames(path, [12], decoder="torchcodec")
    path.write_bytes(b"no video " * 50)
    with pytest.raises(BadVideoError, match="not a readable video"):
        decode_frames(path, decoder="torchcodec")


@pytest.mark.skipif(is_available("torchcodec"), reason="torchcodec loads here")
def test_without_it_the_error_names_the_extra(tmp_path, write_clip):
    path = write_clip(tmp_path / "a.mp4", num_frames=2)
    with pytest.raises(ImportError, match=r"pip install 'heygen_hf\[torchcodec\]'"):
        decode_frames(path, decoder="torchcodec")
    assert decode_frames(path, decoder="auto").num_frames == 2
