"""Does the mouth follow the speech? Correlation of its opening with the loudness, over clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.text_metrics.bootstrap import cluster_bootstrap_interval

_STILL = 1e-9  # a spread below this is none


@dataclass(frozen=True)
class SpeechCorrelation:
    """The mean correlation over clips.

    Attributes:
        mean: of `per_clip`.
        low, high: its interval by drawing clips anew; equal to -1 and 1 where there is one clip only.
        per_clip: the correlation of each clip, in [-1, 1].
        num_still: clips whose mouth never moves; they follow nothing, and count as 0.
    """

    mean: float
    low: float
    high: float
    per_clip: tuple[float, ...]
    num_still: int

    def __str__(self) -> str:
        still = f", {self.num_still} with a still mouth" if self.num_still else ""
        return f"{self.mean:.3f} ({self.low:.3f} to {self.high:.3f}, {len(self.per_clip)} clips{still})"


def correlation(openings: np.ndarray, loudness: np.ndarray) -> float:
    """Pearson's correlation of two series of one length; 0 where the openings never change.

    Raises:
        ValueError: other shapes, or a loudness that never changes, with which nothing can be correlated.
    """
    first, second = np.asarray(openings, dtype=np.float64), np.asarray(loudness, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise ValueError(
            f"openings {first.shape} and loudness {second.shape} do not fit; expected (frames,) each, at least 2 frames"
        )
    first, second = first - first.mean(), second - second.mean()
    if np.linalg.norm(second) <= _STILL:
        raise ValueError("the loudness never changes (silence?), so no mouth can follow it; leave the clip out")
    if np.linalg.norm(first) <= _STILL:
        return 0.0
    return float(np.clip(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)), -1, 1))


def speech_correlation(
    openings: Sequence[np.ndarray],
    loudness: Sequence[np.ndarray],
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> SpeechCorrelation:
    """The mean over clips, with a bootstrap interval over clips.

    Against the audio the clips were made for, and as a control against that of other clips.

    Args:
        openings: of each clip `(frames,)`, as `mouth_opening` measures them.
        loudness: of each clip `(frames,)`, as `loudness_per_frame` gives it, or of several sounds `(sounds, frames)`,
            over which its correlation is averaged.
        confidence, num_resamples, seed: of the interval.

    Raises:
        ValueError: no clips, not one loudness a clip, or a clip of which no correlation can be had (it is named).
    """
    if not len(openings) or len(openings) != len(loudness):
        raise ValueError(f"{len(openings)} clips and {len(loudness)} sounds; expected one for each, and at least one")
    values = []
    for number, (opening, loud) in enumerate(zip(openings, loudness, strict=True)):
        try:
            sounds = np.atleast_2d(loud)
            values.append(float(np.mean([correlation(opening, one) for one in sounds])))
        except ValueError as error:
            raise ValueError(f"clip {number}: {error}") from None
    num_still = sum(bool(np.ptp(opening) <= _STILL) for opening in openings)
    low, high = -1.0, 1.0
    if len(values) > 1:
        low, high = cluster_bootstrap_interval(
            np.array([(value, 1.0) for value in values]),
            lambda total: float(total[0] / total[1]),
            num_resamples=num_resamples,
            confidence=confidence,
            seed=seed,
        )
    return SpeechCorrelation(float(np.mean(values)), low, high, tuple(values), num_still)
