"""What every clip shows, decided from the seed before anything is drawn, and how one is drawn."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from heygen_hf.data.moving_digits.vocabulary import (
    ALL_TRIPLES,
    COLOURS,
    DIRECTIONS,
    Triple,
    choose_unseen_triples,
)
from heygen_hf.processing import draw_below, shuffled

SPLITS = ("train", "validation", "test")
MAX_SPEED = 2  # pixels a frame

Motion = Literal["linear", "bounce"]
"""Straight on, staying inside for the whole clip; or turned back at the borders, for as long as you like."""
MOTIONS: tuple[str, ...] = get_args(Motion)


@dataclass(frozen=True)
class ClipPlan:
    """One clip: what it shows, and where its digit starts (the upper left corner) and how fast it goes."""

    file_name: str
    triple: Triple
    scan: int
    x: int
    y: int
    speed: int


def fastest_speed(*, image_size: int, digit_size: int, num_frames: int, motion: Motion = "linear") -> int:
    """The highest speed, in pixels a frame, at which a digit stays inside, at most `MAX_SPEED`.

    One that bounces must be able to make its first step; then it may stay for ever.

    Raises:
        ValueError: not even 1 fits.
    """
    travel = image_size - digit_size
    if motion == "bounce":
        if travel < 1:
            raise ValueError(
                f"a digit of {digit_size} pixels cannot bounce inside {image_size} pixels; expected image_size of at "
                f"least {digit_size + 1}, or a smaller digit_size"
            )
        return min(MAX_SPEED, travel)
    fitting = MAX_SPEED if num_frames == 1 else min(MAX_SPEED, travel // (num_frames - 1))
    if fitting < 1 or travel < 0:
        raise ValueError(
            f"a digit of {digit_size} pixels cannot move for {num_frames} frames inside {image_size} pixels; "
            f"expected image_size of at least {digit_size + max(num_frames - 1, 0)}, fewer frames, or a "
            "smaller digit_size"
        )
    return fitting


def plan_split(
    split: str,
    *,
    num_clips: int,
    scans: dict[str, list[int]],
    image_size: int,
    digit_size: int,
    num_frames: int,
    seed: int,
    motion: Motion = "linear",
) -> list[ClipPlan]:
    """The clips of one split, in shuffled order, every triple equally often (to within one clip).

    Training leaves the unseen triples out; validation and test hold all 240.

    Args:
        scans: digit to the scans this split may use; each is used equally often (to within one clip).
    """
    unseen = set(choose_unseen_triples(seed)) if split == "train" else set()
    triples = [triple for triple in ALL_TRIPLES if triple not in unseen]
    stream = (seed, 4 + SPLITS.index(split))
    top_speed = fastest_speed(image_size=image_size, digit_size=digit_size, num_frames=num_frames, motion=motion)
    travel = image_size - digit_size
    steps_ahead = num_frames - 1 if motion == "linear" else 1  # room for these: a bouncing digit shows its direction

    triple_order = shuffled(len(triples), *stream, 0)  # who is left over when the count does not divide
    place_of_clip = shuffled(num_clips, *stream, 1)
    used = dict.fromkeys(scans, 0)
    scan_order: dict[str, list[int]] = {}
    plans: list[ClipPlan | None] = [None] * num_clips
    for number in range(num_clips):
        triple = triples[triple_order[number % len(triples)]]
        choices = scans[triple.digit]
        round_number, turn = divmod(used[triple.digit], len(choices))
        if turn == 0:  # a new order each round, or a scan would meet the same few triples again and again
            scan_order[triple.digit] = shuffled(len(choices), *stream, 5, int(triple.digit), round_number)
        scan = choices[scan_order[triple.digit][turn]]
        used[triple.digit] += 1

        speed = 1 + draw_below(top_speed, *stream, 2, number)
        slack = draw_below(travel - speed * steps_ahead + 1, *stream, 3, number)
        across = draw_below(travel + 1, *stream, 4, number)
        # towards smaller coordinates the digit starts at the far side: travel - slack
        step_x, step_y = DIRECTIONS[triple.direction]
        along = slack if step_x + step_y > 0 else travel - slack
        x, y = (along, across) if step_x else (across, along)

        place = place_of_clip[number]
        plans[place] = ClipPlan(f"{place:05d}.mp4", triple, scan, x=x, y=y, speed=speed)
    return [plan for plan in plans if plan is not None]


def draw_clip(
    plan: ClipPlan, ink: np.ndarray, *, image_size: int, num_frames: int, motion: Motion = "linear"
) -> np.ndarray:
    """Draw one clip.

    Args:
        ink: of its scan, `(digit_size, digit_size)` in [0, 1].
        motion: the one it was planned for.

    Returns:
        uint8 `(frames, channels, height, width)`: the colour times the ink, on black.
    """
    colour = np.array(COLOURS[plan.triple.colour], dtype=np.float32)
    digit = np.rint(colour[:, None, None] * ink).astype(np.uint8)
    step_x, step_y = DIRECTIONS[plan.triple.direction]
    frames = np.zeros((num_frames, 3, image_size, image_size), dtype=np.uint8)
    height, width = ink.shape
    for t in range(num_frames):
        x, y = plan.x + t * plan.speed * step_x, plan.y + t * plan.speed * step_y
        if motion == "bounce":
            x, y = _reflected(x, image_size - width), _reflected(y, image_size - height)
        frames[t, :, y : y + height, x : x + width] = digit
    return frames


def _reflected(place: int, travel: int) -> int:
    """Where a place beyond [0, travel] lands when both borders reflect: -1 is 1, travel + 1 is travel - 1."""
    place %= 2 * travel
    return min(place, 2 * travel - place)
