"""Clips that control others, made of these themselves: what a generator is to be told of a clip, and no more of it."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F

ControlKind = Literal["edges", "blur", "grey", "low_resolution", "masked"]
CONTROL_KINDS: tuple[str, ...] = get_args(ControlKind)
CONTROL_VERSION = 1  # raise it when a kind gives other pixels

_FRAMES_AT_ONCE = 16  # bounds the memory of the float copies
_RED, _GREEN, _BLUE = 77, 150, 29  # of 256: how bright a colour looks (BT.601)
_BLUR_SHARE, _LOW_RESOLUTION_SHARE = 16, 16  # of the shorter side
_MASKED_GREY = 128


def derive_control(frames: torch.Tensor, kind: ControlKind) -> torch.Tensor:
    """What controls a clip, computed from its frames; the same frames give the same values.

    Args:
        frames: uint8 `(frames, channels, height, width)`, 3 channels, at their final size.
        kind: "edges": how much brightness changes (Sobel), bright on black. "blur": without details. "grey": without
            colours. "low_resolution": squares of one colour, 16 along the shorter side. "masked": the middle half of
            height and width grey, to be filled in.

    Returns:
        uint8 of the same shape.

    Raises:
        ValueError: an unknown kind, or frames of another type.
    """
    if kind not in CONTROL_KINDS:
        raise ValueError(f"there is no control {kind!r}; expected one of {', '.join(CONTROL_KINDS)}")
    if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[1] != 3:
        raise ValueError(
            f"control is derived from uint8 frames (frames, 3, height, width), got {frames.dtype} {tuple(frames.shape)}"
        )
    derive = _DERIVE[kind]
    return torch.cat([derive(some) for some in frames.split(_FRAMES_AT_ONCE)])


def _brightness(frames: torch.Tensor) -> torch.Tensor:
    """`(frames, 1, height, width)`, whole numbers in [0, 255] as float32."""
    weights = torch.tensor([_RED, _GREEN, _BLUE], dtype=torch.float32, device=frames.device)[:, None, None]
    return ((frames.float() * weights).sum(dim=1, keepdim=True) / 256).floor()


def _in_three_channels(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1).contiguous()


def _edges(frames: torch.Tensor) -> torch.Tensor:
    # Sums of whole numbers, exact in float32 on any device.
    across = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]], device=frames.device)
    sobel = torch.stack((across, across.T))[:, None]
    slopes = F.conv2d(F.pad(_brightness(frames), (1, 1, 1, 1), mode="replicate"), sobel)
    return _in_three_channels(slopes.abs().sum(dim=1, keepdim=True).clamp(max=255))


def _blur(frames: torch.Tensor) -> torch.Tensor:
    radius = max(1, min(frames.shape[-2:]) // _BLUR_SHARE)
    values, size = frames.float(), 2 * radius + 1
    for _ in range(3):  # three boxes are nearly a bell
        padded = F.pad(values, (radius,) * 4, mode="replicate")
        values = F.avg_pool2d(padded, size, stride=1)
    return values.round().clamp(0, 255).to(torch.uint8)


def _grey(frames: torch.Tensor) -> torch.Tensor:
    return _in_three_channels(_brightness(frames))


def _low_resolution(frames: torch.Tensor) -> torch.Tensor:
    height, width = frames.shape[-2:]
    square = max(1, min(height, width) // _LOW_RESOLUTION_SHARE)
    small = F.interpolate(frames.float(), size=(-(-height // square), -(-width // square)), mode="area")
    return F.interpolate(small.round(), size=(height, width), mode="nearest-exact").to(torch.uint8)


def _masked(frames: torch.Tensor) -> torch.Tensor:
    height, width = frames.shape[-2:]
    shown = frames.clone()
    shown[..., height // 4 : height - height // 4, width // 4 : width - width // 4] = _MASKED_GREY
    return shown


_DERIVE: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "edges": _edges,
    "blur": _blur,
    "grey": _grey,
    "low_resolution": _low_resolution,
    "masked": _masked,
}
