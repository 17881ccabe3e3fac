"""Which frames of a clip are used: plain arithmetic on frame counts, no pixels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
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


def frames_shown_at(rate: float, timestamps_seconds: np.ndarray) -> np.ndarray:
    """Which frame is on screen at each tick of a steady rate, from the first frame to the last, int64 `(ticks,)`.

    Args:
        rate: ticks per second.
        timestamps_seconds: ascending `(frames,)`, when each frame appears.
    """
    elapsed = timestamps_seconds - timestamps_seconds[0]
    # 1e-6: a tick that rounding puts just before a frame is that frame's
    ticks = np.arange(int(elapsed[-1] * rate + 1e-6) + 1) / rate
    return np.maximum(np.searchsorted(elapsed, ticks + 1e-6, side="right") - 1, 0)


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
    return _padded(present, num_frames=num_frames, pad_policy=pad_policy)


def _padded(present: list[int], *, num_frames: int, pad_policy: PadPolicy) -> FrameSelection:
    """What a clip with too few frames gets."""
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


def select_frames_at_times(
    timestamps_seconds: Sequence[float] | np.ndarray | torch.Tensor,
    *,
    num_frames: int,
    target_fps: float,
    last_frame_seconds: float,
    frame_position: Literal["start", "center", "random"] = "start",
    pad_policy: PadPolicy = "repeat_last",
    seed: int | None = None,
) -> FrameSelection:
    """Choose the frames shown at moments `1 / target_fps` apart, whatever the rhythm of the clip.

    The moments begin where a frame does. At a constant frame rate this chooses what `select_frames` does.

    Example: frames shown at 0, 0.1, 0.2, 0.7 and 0.8 s, 4 wanted at 5 a second: those on screen at 0, 0.2, 0.4 and
        0.6 s are 0, 2, 2, 2.

    Args:
        timestamps_seconds: `(frames,)`, when each frame is shown, ascending.
        last_frame_seconds: how long the last one is shown.

    Raises:
        ValueError: the clip has no frames, or its times do not ascend.
    """
    times = np.asarray(timestamps_seconds, dtype=np.float64)
    if times.ndim != 1 or len(times) == 0 or (np.diff(times) < 0).any():
        raise ValueError(f"timestamps_seconds has shape {times.shape}; expected at least one time, in ascending order")
    # a fraction of a frame: times are rounded to ticks of the file's clock, often to milliseconds
    tolerance = 0.05 * min(1 / target_fps, max((times[-1] - times[0]) / max(1, len(times) - 1), 1e-6))
    offsets = np.arange(num_frames) / target_fps
    end = times[-1] + last_frame_seconds
    fitting = int(np.searchsorted(times, end - offsets[-1] - tolerance, side="left"))  # frames it can begin with
    if fitting > 0:
        if frame_position == "random" and seed is not None:
            first = draw_below(fitting, seed, _POSITION_STREAM)
        else:
            first = 0 if frame_position == "start" else (fitting - 1) // 2
        shown = np.searchsorted(times, times[first] + offsets + tolerance, side="right") - 1
        return FrameSelection(indices=tuple(int(index) for index in shown))
    moments = times[0] + offsets
    shown = np.searchsorted(times, moments[moments < end - tolerance] + tolerance, side="right") - 1
    return _padded([int(index) for index in shown], num_frames=num_frames, pad_policy=pad_policy)
