"""Which moment each frame of a clip shows, as positions on its own time axis; no pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

from heygen_hf.data.augmentation.draws import Draws

_JUST_BELOW = 1e-6  # 3 * (1 / 3) must not fall one frame short through rounding


@dataclass(frozen=True)
class TimeChange:
    """What happens to the time axis of one clip.

    Attributes:
        speed: 2.0 shows every other frame, 0.5 each frame twice.
        jitter_frames: each frame may move by up to so many, in order still; 0 for none.
        reverse: from last to first.
        frame_drop_prob: chance of each frame but the first to be lost, so that the one before is shown again.
    """

    speed: float = 1.0
    jitter_frames: int = 0
    reverse: bool = False
    frame_drop_prob: float = 0.0

    def positions(self, num_frames: int, draws: Draws) -> list[float]:
        """For each frame the position it shows, counted in frames from 0; past `num_frames - 1` where the speed
        is above 1.

        Example: 4 frames at speed 1.5 show 0, 1.5, 3, 4.5; reversed 4.5, 3, 1.5, 0; with the second one dropped
        4.5, 4.5, 1.5, 0.
        """
        positions = [frame * self.speed for frame in range(num_frames)]
        if self.jitter_frames:
            span = 2 * self.jitter_frames + 1
            moves = [draws.below(span, "temporal_jitter", 1, frame) for frame in range(num_frames)]
            moved = zip(positions, moves, strict=True)
            positions = sorted(max(0.0, position + move - self.jitter_frames) for position, move in moved)
        if self.reverse:
            positions.reverse()
        for frame in range(1, num_frames):
            if self.frame_drop_prob and draws.happens(self.frame_drop_prob, "frame_drop", frame):
                positions[frame] = positions[frame - 1]
        return positions


def as_indices(positions: Sequence[float], num_frames: int) -> list[int]:
    """The frame shown at each position of a clip of `num_frames`; past its end the last one."""
    return [min(int(position + _JUST_BELOW), num_frames - 1) for position in positions]
