"""Whose face is it? The nearest of some known ones, by colour and shape, without any training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.intervals import wilson_interval
from heygen_hf.evaluation.talking_faces.pixels import Frames, as_levels, region

_MOUTH = {"left": 24.0, "right": 40.0, "top": 36.0, "bottom": 52.0}  # it moves, and says nothing about who it is
_EYES = {"left": 20.0, "right": 44.0, "top": 23.0, "bottom": 33.0}
_EYE_WEIGHT = 4.0  # few pixels tell the colour of eyes
_MAX_SHIFT = 3  # 64ths of the frame by which a generated face may stand higher or lower


@dataclass(frozen=True)
class IdentityMatches:
    """How many faces are nearest to the one they should be.

    Attributes:
        share: of the clips matched right.
        low, high: its 95 % interval (Wilson).
        matched: for each clip the number of the nearest reference.
        num_references: faces that each could have been taken for.
    """

    share: float
    low: float
    high: float
    matched: tuple[int, ...]
    num_references: int

    def __str__(self) -> str:
        return (
            f"{self.share:.1%} ({self.low:.1%} to {self.high:.1%}, {len(self.matched)} clips, "
            f"1 of {self.num_references} faces)"
        )


def identity_distances(frames: Frames, references: Sequence[Frames]) -> np.ndarray:
    """How far a face is from each of some known ones.

    A clip becomes one picture, the median over its frames, in which blinks and nods are gone; two pictures are
    compared pixel by pixel outside the mouth, one moved up and down for the best fit.

    Args:
        frames: `(frames, 3, height, width)`, square; uint8, or floating point in [0, 1].
        references: clips or pictures (one frame) of the same size.

    Returns:
        float64 `(references,)`: mean absolute differences of colour, 0 to 255.

    Raises:
        ValueError: frames of another kind or size, or no references.
    """
    if not len(references):
        raise ValueError("there are no references; give one clip or picture of each face")
    return _distances(_portrait(frames), [_portrait(reference) for reference in references])


def match_identities(clips: Sequence[Frames], references: Sequence[Frames], expected: Sequence[int]) -> IdentityMatches:
    """Match every clip with the nearest of the references.

    Args:
        clips: `(frames, 3, height, width)` each.
        references: one clip or picture of each face.
        expected: for each clip the number of its own face among the references.

    Raises:
        ValueError: none of either, a number without a reference, or frames of another kind.
    """
    if not len(clips) or len(clips) != len(expected):
        raise ValueError(f"{len(clips)} clips and {len(expected)} expected faces; give one for each, and at least one")
    wrong = [number for number in expected if not 0 <= number < len(references)]
    if wrong:
        raise ValueError(f"expected face {wrong[0]} is not among the {len(references)} references (0 is the first)")
    portraits = [_portrait(reference) for reference in references]
    matched = tuple(int(_distances(_portrait(clip), portraits).argmin()) for clip in clips)
    num_right = sum(found == wanted for found, wanted in zip(matched, expected, strict=True))
    low, high = wilson_interval(num_right, len(clips))
    return IdentityMatches(num_right / len(clips), low, high, matched, len(references))


def _portrait(frames: Frames) -> np.ndarray:
    """`(channels, height, width)`: what a clip shows most of the time."""
    return np.median(as_levels(frames), axis=0)


def _distances(portrait: np.ndarray, references: list[np.ndarray]) -> np.ndarray:
    size = portrait.shape[-1]
    for reference in references:
        if reference.shape != portrait.shape:
            raise ValueError(
                f"a face of {size} pixels cannot be compared with one of {reference.shape[-1]}; resize one of them"
            )
    weights = np.ones((size, size))
    weights[region(size, **_EYES)] = _EYE_WEIGHT
    weights[region(size, **_MOUTH)] = 0
    known = np.stack(references)
    furthest = round(_MAX_SHIFT * size / 64)
    best = np.full(len(references), np.inf)
    for shift in range(-furthest, furthest + 1):
        # rows that both have: the portrait's row r + shift lies on the reference's row r
        rows = slice(max(0, -shift), size - max(0, shift))
        moved = portrait[:, rows.start + shift : rows.stop + shift]
        differences = abs(known[:, :, rows] - moved).mean(axis=1)
        best = np.minimum(best, (differences * weights[rows]).sum(axis=(1, 2)) / weights[rows].sum())
    return best
