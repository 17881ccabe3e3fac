"""How loud speech is at each video frame, and how far a mouth opens for it."""

import numpy as np

FULL_LOUDNESS = 0.12
"""The loudness that opens the mouth fully, and the level recordings are brought to; samples are in [-1, 1]."""

_WINDOW_SECONDS = 0.16  # Hann: half as wide at half its height, two frames at 25 a second
_LEVEL_RATE = 25.0  # how often a second the loudness is looked at where there are no frames
_SPEAKING_SHARE = 0.1  # of the greatest loudness; what is quieter is a pause
_LOUD_QUANTILE = 0.95  # not the maximum: one cough must not make everything else a whisper


def loudness_per_frame(
    samples: np.ndarray, *, sampling_rate: int, num_frames: int, frame_rate: float = 25.0
) -> np.ndarray:
    """The root mean square around the middle of each frame, smooth over neighbouring frames.

    Args:
        samples: `(samples,)`, mono; beyond their ends is silence.
        sampling_rate: samples per second.
        num_frames: video frames; the first starts with the samples.
        frame_rate: frames per second.

    Returns:
        float64 `(frames,)`, at least 0.
    """
    power = np.square(np.asarray(samples, dtype=np.float64))
    length = max(3, round(_WINDOW_SECONDS * sampling_rate)) | 1
    window = np.hanning(length + 2)[1:-1]
    window /= window.sum()
    middles = np.floor((np.arange(num_frames) + 0.5) / frame_rate * sampling_rate).astype(np.int64)
    loudness = np.zeros(num_frames)
    for frame, middle in enumerate(middles):
        first = middle - length // 2
        inside = slice(max(first, 0), min(first + length, len(power)))
        if inside.start < inside.stop:
            loudness[frame] = power[inside] @ window[inside.start - first : inside.stop - first]
    return np.sqrt(loudness)


def speech_level(samples: np.ndarray, *, sampling_rate: int) -> float:
    """How loud the loud parts of a recording are, as `loudness_per_frame` measures; 0 for silence."""
    num_steps = max(1, int(len(samples) / sampling_rate * _LEVEL_RATE))
    loudness = loudness_per_frame(samples, sampling_rate=sampling_rate, num_frames=num_steps, frame_rate=_LEVEL_RATE)
    return float(np.quantile(loudness[loudness >= _SPEAKING_SHARE * loudness.max()], _LOUD_QUANTILE))


def mouth_openings(loudness: np.ndarray) -> np.ndarray:
    """How far the mouth opens, `(frames,)` in [0, 1], for the loudness of a recording that was brought to the level."""
    return np.clip(loudness / FULL_LOUDNESS, 0, 1)
