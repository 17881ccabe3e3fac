"""One picture in which several videos run side by side: a GIF, which every page shows."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from heygen_hf.hub.card.sample_strips import BACKGROUND, GAP, check_video, enlargement

_MOST_FRAMES = 100


def write_sample_animation(
    path: str | Path, videos: Sequence[torch.Tensor], *, frame_rate: float, max_columns: int = 4
) -> Path:
    """Write a GIF in which the videos run side by side; one that is over waits for the others.

    Args:
        path: of the GIF; its folder is made.
        videos: uint8 `(frames, channels, height, width)`, 1 or 3 channels; sizes and lengths may differ.
        frame_rate: frames a second.
        max_columns: videos in a row.

    Raises:
        ValueError: no videos, videos of another shape or type, or a frame rate that is none.
    """
    if not len(videos):
        raise ValueError("no videos given: expected at least one.")
    if not frame_rate > 0:
        raise ValueError(f"frame_rate={frame_rate} must be above 0.")
    for video in videos:
        check_video(video)
    length = min(max(map(len, videos)), _MOST_FRAMES)
    scale = enlargement(max(max(video.shape[-2:]) for video in videos))
    width, height = (scale * max(video.shape[axis] for video in videos) for axis in (-1, -2))
    columns = min(max_columns, len(videos))
    rows = -(-len(videos) // columns)

    sheets = []
    for place in range(length):
        sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), BACKGROUND)
        for index, video in enumerate(videos):
            frame = video[min(place, len(video) - 1)].cpu().expand(3, -1, -1)
            frame = frame.repeat_interleave(scale, -1).repeat_interleave(scale, -2)
            row, column = divmod(index, columns)
            corner = (GAP + column * (width + GAP), GAP + row * (height + GAP))
            sheet.paste(Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy()), corner)
        sheets.append(sheet.quantize(128))

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    duration = max(20, round(1000 / frame_rate))  # browsers slow down what is faster than 50 frames a second
    sheets[0].save(temporary, format="GIF", save_all=True, append_images=sheets[1:], duration=duration, loop=0)
    os.replace(temporary, path)
    return path
