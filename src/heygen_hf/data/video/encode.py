"""Write clips as H.264 `.mp4` files: small ones that play everywhere, or exact ones."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch


def write_video(
    path: str | os.PathLike,
    frames: torch.Tensor | np.ndarray,
    *,
    frame_rate: float = 8.0,
    lossless: bool = False,
    constant_rate_factor: int = 12,
) -> Path:
    """Write one clip; the file appears whole or not at all.

    By default: yuv420p, which every player and browser shows. Colour has half the resolution there, and an
        odd height
    or width gets one more row or column, a copy of its neighbour. With `lossless`: RGB without any loss
    (libx264rgb), odd sizes kept, which FFmpeg, VLC, mpv and Python read and some browsers do not.

    Args:
        path: of the `.mp4` file; its folder must exist.
        frames: uint8 `(frames, channels, height, width)`, RGB.
        frame_rate: frames per second.
        lossless: keep every pixel value.
        constant_rate_factor: quality of the default kind, 0 (largest file) to 51; 12 shows no difference to
            the eye.

    Raises:
        ValueError: frames of another kind.
    """
    import av  # heavy; this module is imported by the light façade

    pixels = np.asarray(frames)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[0] == 0:
        raise ValueError(
            f"frames is {pixels.dtype}{pixels.shape}; expected uint8 (frames, channels, height, width) with "
            "3 channels and at least one frame"
        )
    if not frame_rate > 0:
        raise ValueError(f"frame_rate is {frame_rate}; expected frames per second above 0")
    pixels = pixels.transpose(0, 2, 3, 1)
    if not lossless:
        odd_rows, odd_columns = pixels.shape[1] % 2, pixels.shape[2] % 2
        pixels = np.pad(pixels, ((0, 0), (0, odd_rows), (0, odd_columns), (0, 0)), mode="edge")

    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    # bitexact: no version strings in the file, so that the same frames give the same bytes
    options = {"fflags": "+bitexact"} if lossless else {"movflags": "+faststart"}
    try:
        with av.open(str(partial), "w", format="mp4", options=options) as container:
            # the rate as a fraction that players take: 30000/1001 and not 29.97002997...
            rate = Fraction(frame_rate).limit_denominator(1001)
            codec_options = (
                {"preset": "ultrafast", "qp": "0"}
                if lossless
                else {"preset": "medium", "crf": str(constant_rate_factor)}
            )
            stream = container.add_stream("libx264rgb" if lossless else "libx264", rate=rate, options=codec_options)
            stream.height, stream.width = pixels.shape[1:3]
            stream.pix_fmt = "rgb24" if lossless else "yuv420p"
            stream.codec_context.thread_count = 1 if lossless else 0  # 1: deterministic, and faster for small clips
            for frame_pixels in pixels:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_pixels), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path
