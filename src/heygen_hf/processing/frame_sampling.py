"""Which frames of a clip are used: plain arithmetic on frame counts, no pixels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from heygen_hf.processing.seeding import draw_below

FramePosition = Literal["start", "center", "random", "uniform"]
PadPolicy = Literal["repeat_last", "loop", "zero", "drop"]

BLACK_FRAME = -1
_POSITION_STREAM = 1  # keeps the draw of the frames apart from that of the crop, which has the same seed


@dataclass(frozen=True)
class FrameSelection:
    """The frames to take from one clip.

    Attributes:
        indices: index of the source frame for each output frame; -1 stands for a black frame.
        num_padded: how many of them, at the end, were filled in because the clip is too short.
        keep: False where the pad policy is "drop" and the clip is too short; `indices` is then what there is.
    """

    indices: tuple[int, ...]
    num_padded: int = 0
    keep: bool = True

    @property
    def last_index(self) -> int:
        """The last source frame that has to be decoded."""
        return max(self.indices)

    def take(self, frames: torch.Tensor) -> torch.Tensor:
        """Pick the frames from a whole clip.

        Args:
            frames: `(source frames, channels, height, width)`.

        Returns:
            `(frames, channels, height, width)`
        """
        if self.indices == tuple(range(frames.shape[0])):
            return frames
        taken = frames[torch.tensor(self.indices).clamp(min=0)]
        for position, index in enumerate(self.indices):
            if index == BLACK_FRAME:
                taken[position] = 0
        return taken


def frames_shown_at(rate: float, timestamps_seconds: Sequence[float] | np.ndarray | torch.Tensor) -> np.ndarray:
    """Which frame is on screen at each tick of a steady rate, from the first frame to the last, int64 `(ticks,)`.

    Example: frames that appear at 0, 0.1, 0.2, 0.7 and 0.8 s, at 5 ticks a second: 0, 2, 2, 2, 4.

    Args:
        rate: ticks per second.
        timestamps_seconds: ascending `(frames,)`, when each frame appears.

    Raises:
        ValueError: there is no frame, or the times do not ascend.
    """
    times = np.asarray(timestamps_seconds, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0 or not (np.diff(times) >= 0).all():
        raise ValueError(f"timestamps_seconds has shape {times.shape}; expected at least one time, in ascending order")
    elapsed = times - times[0]
    # A tick that rounding puts just before a frame is that frame's: some containers count in milliseconds.
    slack = 1e-6 + min(6e-4, 0.1 / rate, 0.1 * elapsed[-1] / max(1, len(times) - 1))
    ticks = np.arange(int((elapsed[-1] + slack) * rate) + 1) / rate
    return np.searchsorted(elapsed, ticks + slack, side="right") - 1


def select_frames(
    total_frames: int,
    *,
    num_frames: int,
    stride: int = 1,
    frame_position: FramePosition = "start",
    pad_policy: PadPolicy = "repeat_last",
    seed: int | None = None,
) -> FrameSelection:
    """Choose `num_frames` of `total_frames`.

    "start", "center" and "random" take frames `stride` apart; "uniform" spreads them from the first frame to
    the last and leaves the stride out.

    Example: 20 frames, 4 wanted at stride 3 span (4 - 1) * 3 + 1 = 10 frames, so the first of them is one of
        0 … 10;
    "center" starts at 5 and gives 5, 8, 11, 14.

    Args:
        total_frames: how many frames the clip has.
        seed: decides "random"; without one the frames come from the centre.

    Raises:
        ValueError: the clip has no frames.
    """
    if total_frames < 1:
        raise ValueError(f"the clip has {total_frames} frames; expected at least 1")
    if frame_position == "uniform" and total_frames >= num_frames:
        if num_frames == 1:
            return FrameSelection(indices=((total_frames - 1) // 2,))
        step = (total_frames - 1) / (num_frames - 1)
        return FrameSelection(indices=tuple(round(position * step) for position in range(num_frames)))

    if frame_position == "uniform":
        stride = 1
    offsets = [position * stride for position in range(num_frames)]
    spare = total_frames - 1 - offsets[-1]
    if spare >= 0:
        if frame_position == "random" and seed is not None:
            first = draw_below(spare + 1, seed, _POSITION_STREAM)
        else:
            first = 0 if frame_position == "start" else spare // 2
        return FrameSelection(indices=tuple(first + offset for offset in offsets))

    present = [offset for offset in offsets if offset < total_frames]
    num_padded = num_frames - len(present)
    if pad_policy == "drop":
        return FrameSelection(indices=tuple(present), keep=False)
    if pad_policy == "zero":
        filler = [BLACK_FRAME] * num_padded
    elif pad_policy == "loop":
        filler = [present[position % len(present)] for position in range(num_padded)]
    else:
        filler = [present[-1]] * num_padded
    return FrameSelection(indices=(*present, *filler), num_padded=num_padded)
