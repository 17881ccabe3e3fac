"""The forms in which people hold clips, brought to one: uint8 RGB `(frames, channels, height, width)`."""

from typing import Any

import numpy as np
import torch
from PIL import Image

from heygen_hf.types import VideoClip

_EXPECTED = (
    "expected a uint8 tensor (frames, channels, height, width), a uint8 array (frames, height, width, "
    "channels), a list of PIL images, or a list of such clips"
)


def as_clips(videos: Any) -> list[torch.Tensor | VideoClip]:
    """One clip or several, as a list of uint8 tensors `(frames, channels, height, width)` (or `VideoClip`s as
    given).

    Raises:
        ValueError: none of the forms of a clip.
    """
    if isinstance(videos, torch.Tensor | np.ndarray) and videos.ndim == 5:
        return [_as_clip(clip) for clip in videos]
    if isinstance(videos, list | tuple) and not _is_clip(videos):
        if not videos:
            raise ValueError(f"an empty list of clips; {_EXPECTED}")
        return [_as_clip(clip) for clip in videos]
    return [_as_clip(videos)]


def _is_clip(frames: list | tuple) -> bool:
    """Whether a list is one clip, frame by frame, and not a list of clips."""
    return bool(frames) and all(
        isinstance(frame, Image.Image) or (isinstance(frame, torch.Tensor | np.ndarray) and frame.ndim == 3)
        for frame in frames
    )


def _as_clip(clip: Any) -> torch.Tensor | VideoClip:
    if isinstance(clip, VideoClip):
        return clip
    if isinstance(clip, list | tuple) and _is_clip(clip):
        if isinstance(clip[0], torch.Tensor):
            clip = torch.stack(list(clip))
        else:
            pixels = [np.asarray(f.convert("RGB") if isinstance(f, Image.Image) else f) for f in clip]
            sizes = {frame.shape for frame in pixels}
            if len(sizes) > 1:
                raise ValueError(f"the frames of a clip differ in size: {sorted(sizes)}; expected one size")
            clip = np.stack(pixels)
    if isinstance(clip, np.ndarray) and clip.ndim == 4:
        # torch refuses negative strides and warns of read-only memory
        usable = clip.flags.writeable and clip.flags.c_contiguous
        clip = torch.from_numpy(clip if usable else clip.copy(order="C")).permute(0, 3, 1, 2)
    if not isinstance(clip, torch.Tensor) or clip.ndim != 4:
        raise ValueError(f"a clip is {_name(clip)}; {_EXPECTED}")
    if clip.dtype != torch.uint8:
        raise ValueError(f"a clip holds {clip.dtype} values; {_EXPECTED}: scale to 0 … 255 and convert")
    if clip.shape[1] == 1:
        return clip.expand(-1, 3, -1, -1)  # grey
    if clip.shape[1] != 3:
        raise ValueError(f"a clip has {clip.shape[1]} channels (shape {tuple(clip.shape)}); expected 3, or 1 for grey")
    return clip


def _name(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}" if shape is not None else "")
