"""How much moves: optical flow by blocks, and VBench's dynamic degree."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

FlowEstimator = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Frames `(batch, channels, height, width)` and those after them, to flow in pixels `(batch, 2, height, width)`."""

_LARGEST_EDGE = 128  # flow of larger frames is estimated at this size of the shorter edge
_BLOCK = 7
_ZERO_PREFERENCE = 1e-3  # by so much a shift must fit better than none: flat regions stand still
_MOVING_SHARE = 0.05  # of the pixels: the fastest ones decide
_PIXELS_AT_256 = 6.0  # what counts as motion between frames whose shorter edge is 256
_FRAMES_A_SECOND = 8.0  # at which VBench looks at clips


def block_flow(frames: torch.Tensor, following: torch.Tensor, *, radius: int) -> torch.Tensor:
    """Optical flow in whole pixels by trying every shift: that whose blocks of 7x7 pixels fit best.

    Without a network, so without weights to fetch; RAFT and its like are finer.

    Args:
        frames, following: `(batch, channels, height, width)`.
        radius: the largest shift tried, either way.

    Returns:
        `(batch, 2, height, width)`, how far each place moves to the right and down.
    """
    batch, _, height, width = frames.shape
    padded = F.pad(following, (radius,) * 4, mode="replicate")
    best = frames.new_full((batch, height, width), float("inf"))
    flow = frames.new_zeros((batch, 2, height, width))
    shifts = [(dy, dx) for dy in range(-radius, radius + 1) for dx in range(-radius, radius + 1)]
    for dy, dx in sorted(shifts, key=lambda shift: (shift[0] ** 2 + shift[1] ** 2, shift)):  # of equals the shortest
        moved = padded[:, :, radius + dy : radius + dy + height, radius + dx : radius + dx + width]
        difference = (moved - frames).abs().mean(1, keepdim=True)
        cost = F.avg_pool2d(difference, _BLOCK, stride=1, padding=_BLOCK // 2, count_include_pad=False)[:, 0]
        if (dy, dx) == (0, 0):
            cost = cost - _ZERO_PREFERENCE
        better = cost < best
        best = torch.where(better, cost, best)
        flow[:, 0] = torch.where(better, float(dx), flow[:, 0])
        flow[:, 1] = torch.where(better, float(dy), flow[:, 1])
    return flow


def flow_magnitude(clips: torch.Tensor, *, estimate_flow: FlowEstimator | None = None) -> torch.Tensor:
    """How far the fastest 5 % of the pixels move between neighbouring frames, as a share of the shorter edge.

    Args:
        clips: `(batch, frames, channels, height, width)` in [0, 1].
        estimate_flow: by default `block_flow`, of frames whose shorter edge is 128 at most, up to twice what counts as
            motion.

    Returns:
        float64 `(batch, frames - 1)`.
    """
    if clips.ndim != 5 or clips.shape[1] < 2:
        raise ValueError(
            f"dynamic_degree: clips have shape {tuple(clips.shape)}; expected (batch, frames, channels, height, width) "
            "with at least 2 frames"
        )
    batch, frames = clips.shape[:2]
    pixels = clips.float()
    shorter = min(clips.shape[-2:])
    if estimate_flow is None and shorter > _LARGEST_EDGE:
        scale = _LARGEST_EDGE / shorter
        size = [round(edge * scale) for edge in clips.shape[-2:]]
        scaled = F.interpolate(pixels.flatten(0, 1), size=size, mode="bilinear", antialias=True)
        pixels, shorter = scaled.unflatten(0, (batch, frames)), min(size)
    if estimate_flow is None:
        radius = max(2, round(2 * _PIXELS_AT_256 * shorter / 256))

        def estimate_flow(before: torch.Tensor, after: torch.Tensor) -> torch.Tensor:
            return block_flow(before, after, radius=radius)

    rows = []
    for clip in pixels:  # a clip at a time bounds the memory
        speed = estimate_flow(clip[:-1], clip[1:]).double().norm(dim=1).flatten(1)
        fastest = max(1, int(speed.shape[1] * _MOVING_SHARE))
        rows.append(speed.topk(fastest, dim=1).values.mean(1) / shorter)
    return torch.stack(rows)


def dynamic_degree_of_clips(
    clips: torch.Tensor, *, frame_rate: float | None = None, estimate_flow: FlowEstimator | None = None
) -> torch.Tensor:
    """Whether each clip moves: 1 where the fastest 5 % of the pixels move by more than 6 pixels (at a shorter edge of
    256) between a quarter of the frames, else 0.

    VBench's definition; VBench takes RAFT's flow, and looks at 8 frames a second.

    Args:
        clips: `(batch, frames, channels, height, width)` in [0, 1].
        frame_rate: frames a second; faster clips are thinned out to about 8, slower ones may move further between
            frames. None takes the frames as they are.

    Returns:
        float64 `(batch,)`, 0 or 1.
    """
    step = 1 if frame_rate is None else max(1, round(frame_rate / _FRAMES_A_SECOND))
    factor = 1.0 if frame_rate is None else max(1.0, _FRAMES_A_SECOND / frame_rate)
    thinned = clips[:, ::step]
    if thinned.shape[1] < 2:
        raise ValueError(
            f"dynamic_degree: clips have {clips.shape[1]} frames at {frame_rate:g} a second, which at "
            f"{_FRAMES_A_SECOND:g} a second leaves one; give longer clips"
        )
    moving = flow_magnitude(thinned, estimate_flow=estimate_flow) > factor * _PIXELS_AT_256 / 256
    needed = max(1, round(4 * thinned.shape[1] / 16))
    return (moving.sum(1) >= needed).double()
