"""Files of many kinds, rendered in moments, and the plainest way of reading them."""

import os
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

SAMPLE_CLIPS = Path(os.environ.get("HEYGEN_HF_TEST_CLIPS", Path(__file__).parents[4] / "shared" / "data" / "clips"))


@pytest.fixture
def sample_clips() -> list[Path]:
    if not SAMPLE_CLIPS.is_dir():
        pytest.skip("HEYGEN_HF_TEST_CLIPS names no folder")
    return sorted(path for path in SAMPLE_CLIPS.iterdir() if path.suffix in {".mp4", ".mkv", ".webm", ".avi"})


def moving_frames(num_frames: int, height: int, width: int) -> torch.Tensor:
    """uint8 `(frames, 3, height, width)`: a smooth pattern that moves, every frame unlike the others."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    frames = []
    for number in range(num_frames):
        red = 128 + 100 * torch.sin((columns + 3 * number) / 7)
        green = 128 + 100 * torch.sin((rows - 2 * number) / 5)
        blue = (6 * number + rows + columns) % 256
        frames.append(torch.stack([red, green, blue.float()]))
    return torch.stack(frames).round().clamp(0, 255).to(torch.uint8)


def write_clip(
    path: Path,
    *,
    codec: str = "libx264",
    num_frames: int = 40,
    height: int = 48,
    width: int = 64,
    pixel_format: str = "yuv420p",
    ticks: Sequence[int] | None = None,
    ticks_per_second: int = 1000,
    container_options: dict[str, str] | None = None,
    setup: Callable[[av.VideoStream], None] = lambda stream: None,
    **options: str,
) -> Path:
    """Render a clip; `ticks` says when each frame is shown (default: 25 frames/s)."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(
            codec, rate=25, options={name.replace("_", "-"): v for name, v in options.items()}
        )
        stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
        stream.codec_context.thread_count = 1
        if ticks is not None:
            stream.codec_context.time_base = Fraction(1, ticks_per_second)
        setup(stream)
        for number, pixels in enumerate(moving_frames(num_frames, height, width).permute(0, 2, 3, 1).numpy()):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            if ticks is not None:
                frame.pts, frame.time_base = ticks[number], Fraction(1, ticks_per_second)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_plainly(path: Path) -> tuple[torch.Tensor, list[float]]:
    """All frames of the video stream, from the first to the last, without any of our code; upright."""
    frames, times = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.best("video")):
            pixels = frame.to_ndarray(format="rgb24")
            frames.append(np.rot90(pixels, round(frame.rotation / 90) % 4).copy())
            times.append(frame.time)
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2), times


@pytest.fixture(name="write_clip")
def write_clip_fixture() -> Callable[..., Path]:
    return write_clip


@pytest.fixture(name="read_plainly")
def read_plainly_fixture() -> Callable[[Path], tuple[torch.Tensor, list[float]]]:
    return read_plainly
