"""Images and clips that `generate` starts from, read from files."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from heygen_hf.data.video import BadVideoError, VideoSource, decode_frames, probe_video
from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.frame_sampling import frames_shown_at


def read_given_files(
    processor: VideoProcessor,
    *,
    image: Sequence[str | Path] | None = None,
    last_image: Sequence[str | Path] | None = None,
    video: Sequence[str | Path] | None = None,
    mask: str | Path | None = None,
    num_prompts: int,
    height: int,
    width: int,
) -> dict[str, list[Any]]:
    """What the pipeline takes under these names, one for each prompt.

    Args:
        image, last_image, video: files, one for each prompt or one for all.
        mask: a picture of the clips' size, white where they are generated anew.

    Raises:
        ValueError: a file that cannot be read, or neither one file nor as many as prompts.
    """
    found: dict[str, list[Any]] = {}
    for name, files in (("image", image), ("last_image", last_image), ("video", video)):
        if not files:
            continue
        if len(files) not in (1, num_prompts):
            option = "--" + name.replace("_", "-")
            raise ValueError(f"{len(files)} {option} files for {num_prompts} prompts; give one each, or one for all")
        if name == "video":
            whole = mask is not None  # a mask is laid over the frames as the file has them
            values = [read_clip(file, processor, height=height, width=width, as_in_file=whole) for file in files]
        else:
            values = [_read_image(file) for file in files]
        found[name] = values * (num_prompts // len(values))
    if mask is not None:
        found["mask"] = [_read_image(mask).convert("L")] * num_prompts
    return found


def read_clip(
    path: str | Path, processor: VideoProcessor, *, height: int, width: int, as_in_file: bool = False
) -> torch.Tensor:
    """The frames of a file at the rate of training, up to its last one: uint8 `(frames, channels, height, width)`.

    Frames are taken by the processor's `target_fps`, or every `temporal_stride`-th so that the last one is among them,
    and scaled while they are decoded, which bounds the memory.

    Args:
        as_in_file: leave them at the size they have.

    Raises:
        BadVideoError: the file cannot be read as a video.
    """
    if not Path(path).is_file():
        raise BadVideoError(f"{path}: there is no such file")
    sized = copy.copy(processor)
    sized.height, sized.width = height, width
    try:
        return whole_clip(path, sized, as_in_file=as_in_file)
    except BadVideoError as error:
        raise error if str(path) in str(error) else BadVideoError(f"{path}: {error}") from error


def whole_clip(
    source: VideoSource, processor: VideoProcessor, *, as_in_file: bool = False, from_start: bool = False
) -> torch.Tensor:
    """`read_clip` of a file or its bytes, at the processor's size.

    Args:
        from_start: with a stride, take the first frame, and not the last one.
    """
    indices = frame_numbers(source, processor, from_start=from_start)
    return decode_frames(source, indices, processor=None if as_in_file else processor).frames


def frame_numbers(source: VideoSource, processor: VideoProcessor, *, from_start: bool = False) -> list[int]:
    """The frames of `whole_clip`, by their numbers in the file."""
    found = probe_video(source)
    total = found.num_frames
    first = 0 if from_start else (total - 1) % processor.temporal_stride
    if processor.target_fps is None:
        return list(range(first, total, processor.temporal_stride))
    stamps = found.timestamps_seconds
    stamps = np.arange(total) / found.frame_rate if stamps is None else stamps
    return [int(index) for index in frames_shown_at(processor.target_fps, stamps)]


def _read_image(path: str | Path) -> PIL.Image.Image:
    if not Path(path).is_file():
        raise ValueError(f"{path}: there is no such file; expected a picture")
    try:
        with PIL.Image.open(path) as opened:
            return PIL.ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: it cannot be read as an image ({' '.join(str(error).split())})") from error
