"""The forms in which people hold images, clips and masks, brought to the size and the values of a model's pixels."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps
import torch

from heygen_hf.processing import VideoProcessor

_KINDS = "a PIL image, a path, an array (height, width, channels) or a tensor (channels, height, width)"


def read_given(
    processor: VideoProcessor,
    *,
    image: Any = None,
    last_image: Any = None,
    video: Any = None,
    mask: Any = None,
    height: int,
    width: int,
) -> dict[str, list[torch.Tensor]]:
    """What a call was given, read and resized: "image", "last_image", "video" and "mask", one or one for each prompt.

    Returns:
        Clips `(frames, channels, height, width)` as the processor normalises them; masks bool, `(frames,)` or `(frames
        or 1, height, width)`, true where something is to be generated.

    Raises:
        ValueError: an input of another kind, or a combination without a meaning.
    """
    if image is not None and video is not None:
        raise ValueError("image and video were both given: the first frame is the image's or the clip's; give one.")
    if mask is not None and (video is None or last_image is not None):
        raise ValueError("mask says which part of video is generated: it needs video, and no last_image.")
    sized = copy.copy(processor)
    sized.height, sized.width = height, width
    found: dict[str, list[torch.Tensor]] = {}
    for name, value in (("image", image), ("last_image", last_image)):
        if value is not None:
            found[name] = [_to_pixels(_read_image(one, name)[None], sized, name) for one in _list_of(value, 3)]
    if video is not None:
        sources = [read_clip_pixels(one) for one in _list_of_clips(video)]
        found["video"] = [_to_pixels(frames, sized, "video") for frames in sources]
    if mask is not None:
        masks = [_read_mask(one) for one in _list_of_masks(mask)]
        if len(masks) not in (1, len(found["video"])):
            raise ValueError(f"{len(masks)} masks were given for {len(found['video'])} clips; give one each, or one.")
        masks = masks * (len(found["video"]) // len(masks))
        found["mask"] = [_fit_mask(one, frames, sized) for one, frames in zip(masks, sources, strict=True)]
    return found


def _list_of(value: Any, ndim: int) -> list[Any]:
    """One or several images: a list or a stack of them is several."""
    several = isinstance(value, list | tuple) or (
        isinstance(value, torch.Tensor | np.ndarray) and value.ndim == ndim + 1
    )
    found = list(value) if several else [value]
    if not found:
        raise ValueError("an empty list of images was given; give one at least, or none at all.")
    return found


def _list_of_clips(value: Any) -> list[Any]:
    """One or several clips; a list of images is one."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("video is an empty list; give one frame at least.")
        first = value[0]
        one = isinstance(first, PIL.Image.Image | str | Path) or (getattr(first, "ndim", None) == 3)
        return [value] if one else list(value)
    return _list_of(value, 4)


def _list_of_masks(value: Any) -> list[Any]:
    if isinstance(value, list | tuple) and not all(isinstance(one, bool | int | float) for one in value):
        return list(value)
    return [value]


def _read_image(value: Any, name: str) -> torch.Tensor:
    """`(channels, height, width)`: uint8, or floating point in [0, 1]."""
    if isinstance(value, str | Path):
        try:
            with PIL.Image.open(value) as opened:
                value = PIL.ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, SyntaxError, PIL.Image.DecompressionBombError) as error:
            missing = not Path(value).exists()
            reason = "there is no such file" if missing else f"it cannot be read as an image ({error})"
            raise ValueError(f"{name} {value}: {reason}") from error
    if isinstance(value, PIL.Image.Image):
        value = np.asarray(value.convert("RGB")).copy()
    if isinstance(value, np.ndarray) and value.ndim == 3:
        value = torch.from_numpy(np.ascontiguousarray(value)).permute(2, 0, 1)
    if not isinstance(value, torch.Tensor) or value.ndim != 3:
        shape = tuple(getattr(value, "shape", ()))
        raise ValueError(f"{name} is {type(value).__name__}{f' of shape {shape}' if shape else ''}; expected {_KINDS}.")
    return _checked(value[None], name)[0]


def read_clip_pixels(value: Any) -> torch.Tensor:
    """`(frames, channels, height, width)`."""
    if isinstance(value, list | tuple):
        frames = [_read_image(one, "video") for one in value]
        if len({frame.shape for frame in frames}) != 1:
            raise ValueError(f"the frames of video differ in size: {sorted({tuple(f.shape) for f in frames})}.")
        return torch.stack(frames)
    if isinstance(value, np.ndarray) and value.ndim == 4:
        value = torch.from_numpy(np.ascontiguousarray(value)).permute(0, 3, 1, 2)
    value = getattr(value, "frames", value)  # a VideoClip
    if not isinstance(value, torch.Tensor) or value.ndim != 4 or len(value) == 0:
        shape = tuple(getattr(value, "shape", ()))
        raise ValueError(
            f"video is {type(value).__name__}{f' of shape {shape}' if shape else ''}; expected a list of images, an "
            "array (frames, height, width, channels) or a tensor (frames, channels, height, width)."
        )
    return _checked(value, "video")


def _checked(frames: torch.Tensor, name: str) -> torch.Tensor:
    frames = frames.detach().cpu()
    if frames.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} has {frames.shape[1]} channels (shape {tuple(frames.shape[1:])}); expected 3, or 1 for grey: "
            "arrays are (height, width, channels), tensors (channels, height, width)."
        )
    if frames.is_floating_point():
        frames = frames.float()
        if not (frames.min() >= -1e-4 and frames.max() <= 1 + 1e-4):  # not finite is out of range too
            raise ValueError(
                f"{name} has values from {float(frames.min()):g} to {float(frames.max()):g}; expected [0, 1], or uint8."
            )
    elif frames.dtype != torch.uint8:
        raise ValueError(f"{name} holds {frames.dtype} values; expected uint8, or floating point in [0, 1].")
    return frames.expand(-1, 3, -1, -1)


def _to_pixels(frames: torch.Tensor, processor: VideoProcessor, name: str) -> torch.Tensor:
    """Resized and normalised; frames of the right size lose nothing, others are rounded to 8 bits first."""
    right_size = tuple(frames.shape[-2:]) == (processor.height, processor.width)
    if frames.is_floating_point() and right_size:
        mean, std = (torch.as_tensor(v, dtype=torch.float32) for v in (processor.image_mean, processor.image_std))
        mean, std = (v if v.ndim == 0 else v[:, None, None] for v in (mean, std))
        return (frames.clamp(0, 1) - mean) / std
    if frames.is_floating_point():
        frames = (frames * 255).round().clamp(0, 255).to(torch.uint8)
    try:
        return processor.normalize(processor.resize_and_crop(frames.contiguous()))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def _read_mask(value: Any) -> torch.Tensor:
    """Bool `(frames,)`, `(1, height, width)` or `(frames, height, width)`."""
    if isinstance(value, PIL.Image.Image):
        value = np.asarray(value.convert("L")) > 127
    mask = torch.as_tensor(np.asarray(value) if not isinstance(value, torch.Tensor) else value).cpu()
    if mask.dtype != torch.bool:
        if not bool(((mask == 0) | (mask == 1)).all()):
            raise ValueError("mask has values other than 0 and 1; expected 1 where something is to be generated.")
        mask = mask.bool()
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim not in (1, 3):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}; expected (frames,), (height, width) or (frames, height, width)."
        )
    return mask


def _fit_mask(mask: torch.Tensor, source: torch.Tensor, processor: VideoProcessor) -> torch.Tensor:
    """Resized as its clip is; a pixel that a generated one touches is generated."""
    if mask.ndim == 1:
        return mask
    if mask.shape[1:] != source.shape[-2:]:
        raise ValueError(
            f"mask is {mask.shape[1]}x{mask.shape[2]} (height x width) and video "
            f"{source.shape[-2]}x{source.shape[-1]}; expected one size."
        )
    white = (mask[:, None].to(torch.uint8) * 255).expand(-1, 3, -1, -1)
    return processor.resize_and_crop(white.contiguous())[:, 0] > 0
