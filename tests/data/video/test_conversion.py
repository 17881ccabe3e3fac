"""Colours come out as they went in, whatever matrix, range and depth they were stored in."""

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace

from heygen_hf.data.video import BadVideoError, decode_frames

PATCHES = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [230, 120, 20], [128, 128, 128], [250, 250, 250]], np.uint8)
MATRICES = {"601": (Colorspace.ITU601, 6), "709": (Colorspace.ITU709, 1), "2020": (Colorspace.BT2020, 9)}


def write_patches(path, *, matrix, full_range, pixel_format, codec="libx264", size=(16, 96)):
    """Flat patches of colour, converted here and labelled as what they are."""
    pixels = np.repeat(PATCHES[None], size[0], 0).repeat(size[1] // len(PATCHES), 1)
    conversion, label = MATRICES[matrix]
    color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24").reformat(
        format=pixel_format,
        dst_colorspace=conversion,
        dst_color_range=color_range,
    )
    frame.colorspace, frame.color_range = label, color_range
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=5, options={"crf": "4", "x265-params": "log-level=none"})
        stream.height, stream.width, stream.pix_fmt = frame.height, frame.width, pixel_format
        stream.codec_context.colorspace, stream.codec_context.color_range = label, color_range
        for _ in range(2):
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("pixel_format", "codec"),
    [("yuv420p", "libx264"), ("yuv444p", "libx264"), ("yuv422p10le", "libx264"), ("yuv420p10le", "libx265")],
)
def test_matrix_range_and_depth_are_honoured(tmp_path, matrix, full_range, pixel_format, codec):
    path = write_patches(
        tmp_path / "a.mkv", matrix=matrix, full_range=full_range, pixel_format=pixel_format, codec=codec
    )
    middle = decode_frames(path).frames[1, :, 8, 8::16].T.numpy()
    assert np.abs(middle.astype(int) - PATCHES).max() <= 8, middle


@pytest.mark.parametrize(("height", "width"), [(33, 47), (34, 47), (33, 48)])
def test_odd_sizes_keep_every_row_and_column(tmp_path, write_clip, height, width):
    for codec, pixel_format in (("libx264", "yuv444p"), ("libvpx-vp9", "yuv420p"), ("mpeg2video", "yuv420p")):
        path = write_clip(
            tmp_path / f"{codec}.mkv", codec=codec, pixel_format=pixel_format, height=height, width=width, num_frames=3
        )
        frames = decode_frames(path).frames
        assert frames.shape == (3, 3, height, width)
        assert frames[..., -1].float().std() > 1
        assert torch.equal(decode_frames(path, [2]).frames[0], frames[2])


def test_gif_with_holes_paints_over_what_was_there(tmp_path):
    images = np.zeros((3, 16, 16, 4), np.uint8)
    images[0] = [200, 40, 40, 255]
    images[1, :8] = [40, 200, 40, 255]  # the lower half is transparent: the red stays
    images[2, :, :8] = [40, 40, 200, 255]
    from PIL import Image

    first, *others = [Image.fromarray(image) for image in images]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others, duration=100, disposal=1)
    corners = decode_frames(tmp_path / "a.gif").frames[:, :, [2, 13], [13, 13]].transpose(1, 2)
    expected = [[[200, 40, 40]] * 2, [[40, 200, 40], [200, 40, 40]], [[40, 200, 40], [200, 40, 40]]]
    assert (corners.int() - torch.tensor(expected)).abs().max() <= 4


def test_frames_that_change_size_are_a_reason(tmp_path, write_clip):
    for name, height in (("a", 48), ("b", 64)):
        write_clip(tmp_path / f"{name}.h264", height=height, num_frames=8)
    joined = tmp_path / "joined.h264"
    joined.write_bytes((tmp_path / "a.h264").read_bytes() + (tmp_path / "b.h264").read_bytes())
    with pytest.raises(BadVideoError, match="its frame size changes from 64x48 to 64x64"):
        decode_frames(joined)
