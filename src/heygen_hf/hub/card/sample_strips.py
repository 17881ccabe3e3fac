"""Pictures of videos: a row for each video, a column for each frame."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from heygen_hf.hub.card.privacy import scrub_line

GAP = 2
BACKGROUND = (24, 24, 24)
_INK = (235, 235, 235)


def write_sample_strips(
    path: str | Path,
    videos: Sequence[torch.Tensor],
    prompts: Sequence[str],
    *,
    scale: int | None = None,
    max_columns: int = 16,
) -> Path:
    """Write a PNG with the frames of each video side by side below its prompt.

    Args:
        path: of the PNG; its folder is made.
        videos: uint8 `(frames, channels, height, width)`, 1 or 3 channels; sizes may differ.
        prompts: one for each video; cut where they are wider than the strip.
        scale: whole-numbered enlargement, pixels kept sharp; by default 3 up to 32 pixels, 2 up to 64, else
            1.
        max_columns: longer videos are thinned out evenly, first and last frame kept.

    Raises:
        ValueError: no videos, not one prompt each, or videos of another shape or type.
    """
    if not len(videos) or len(videos) != len(prompts):
        raise ValueError(f"{len(videos)} videos and {len(prompts)} prompts given: expected one prompt a video.")
    rows = [_row_of_frames(video, scale, max_columns) for video in videos]
    font = ImageFont.load_default()
    _, top, _, bottom = font.getbbox("Ág")
    label_height = int(bottom - top) + 4
    width = max(row.width for row in rows) + 2 * GAP
    height = sum(row.height + label_height + 2 * GAP for row in rows) + GAP

    sheet = Image.new("RGB", (width, height), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    y = GAP
    for row, prompt in zip(rows, prompts, strict=True):
        draw.text((GAP, y + 2 - top), _fitting(prompt, font, width - 2 * GAP), fill=_INK, font=font)
        y += label_height
        sheet.paste(row, (GAP, y))
        y += row.height + 2 * GAP

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    sheet.save(temporary, format="PNG")
    os.replace(temporary, path)
    return path


def check_video(video: torch.Tensor) -> None:
    """Raise a `ValueError` unless it is uint8 `(frames, channels, height, width)` with 1 or 3 channels."""
    if video.ndim != 4 or video.dtype != torch.uint8 or video.shape[1] not in (1, 3) or not video.numel():
        raise ValueError(
            f"video of shape {tuple(video.shape)} and type {video.dtype} given, expected uint8 "
            "(frames, channels, height, width) with 1 or 3 channels: use processor.to_uint8."
        )


def enlargement(edge: int) -> int:
    """How often a small picture's pixels are repeated, so that it can be seen."""
    return 3 if edge <= 32 else 2 if edge <= 64 else 1


def _row_of_frames(video: torch.Tensor, scale: int | None, max_columns: int) -> Image.Image:
    check_video(video)
    if len(video) > max_columns:
        video = video[torch.linspace(0, len(video) - 1, max_columns).round().long()]
    scale = scale or enlargement(max(video.shape[-2:]))
    frames = video.cpu().expand(-1, 3, -1, -1).repeat_interleave(scale, -1).repeat_interleave(scale, -2)
    count, _, height, width = frames.shape
    row = Image.new("RGB", (count * (width + GAP) - GAP, height), BACKGROUND)
    for column, frame in enumerate(frames.permute(0, 2, 3, 1).contiguous().numpy()):
        row.paste(Image.fromarray(frame), (column * (width + GAP), 0))
    return row


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """As much of the text as fits, an ellipsis where it is cut."""
    text = scrub_line(text, max_characters=500)
    if not isinstance(font, ImageFont.FreeTypeFont):  # Pillow's bitmap font knows Latin-1 alone
        text = text.replace("…", "...").encode("latin-1", "replace").decode("latin-1")
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
