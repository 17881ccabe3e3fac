"""What happens in each clip, decided from the seed: who speaks what and when, and when they blink and nod."""

from dataclasses import dataclass

import numpy as np

from heygen_hf.data.talking_faces.drawing import MAX_NOD
from heygen_hf.data.talking_faces.loudness import FULL_LOUDNESS, loudness_per_frame
from heygen_hf.data.talking_faces.speech import Speech
from heygen_hf.processing import draw_below, fold_seed, shuffled

SPLITS = ("train", "validation", "test")

_FIRST_PAUSE = (0.0, 0.4)  # seconds, drawn between the two
_PAUSES = (0.1, 0.6)
_SHORTEST_PIECE = 0.2  # seconds; with less room left, the clip ends in silence
_LEAD = 0.2  # seconds before the loud moment with which a piece of a long recording starts
_LOUD_SHARE = 0.3

_BLINK_SECONDS = 0.24
_BLINKS_EVERY = (1.5, 4.0)
_NOD_SECONDS = 0.9
_NODS_EVERY = (1.5, 5.0)
_LEAST_NOD = 1.0


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording in a clip: `samples[offset : offset + length]` is heard from `start` on."""

    recording: int
    start: int
    offset: int
    length: int


@dataclass(frozen=True)
class ClipPlan:
    """One clip; times in seconds."""

    file_name: str
    identity: int
    pieces: tuple[Piece, ...]
    blinks: tuple[float, ...]
    nods: tuple[tuple[float, float], ...]
    """When, and how far down."""


def plan_split(
    split: str,
    *,
    num_clips: int,
    identities: list[int],
    speech: Speech,
    num_frames: int,
    frame_rate: float,
    seed: int,
) -> list[ClipPlan]:
    """The clips of one split, every identity equally often (to within one clip)."""
    stream = (seed, 12 + SPLITS.index(split))
    seconds = num_frames / frame_rate
    order: list[int] = []
    plans = []
    for number in range(num_clips):
        if not order:
            order = shuffled(len(identities), *stream, 0, number)
        draws = np.random.default_rng(fold_seed(*stream, 1, number))
        plans.append(
            ClipPlan(
                f"{number:05d}.mp4",
                identities[order.pop()],
                _plan_speech(speech, speech.splits[split], seconds, (*stream, 2, number)),
                blinks=tuple(_times(draws, _BLINKS_EVERY, seconds)),
                nods=tuple((at, draws.uniform(_LEAST_NOD, MAX_NOD)) for at in _times(draws, _NODS_EVERY, seconds)),
            )
        )
    return plans


def _times(draws: np.random.Generator, apart: tuple[float, float], seconds: float) -> list[float]:
    times = [draws.uniform(-apart[0], apart[1])]  # some clips have begun already, some see none
    while times[-1] < seconds:
        times.append(times[-1] + draws.uniform(*apart))
    return times[:-1]


def _plan_speech(speech: Speech, rows: list[int], seconds: float, stream: tuple[int, ...]) -> tuple[Piece, ...]:
    """Recordings one after the other, with pauses, until the clip is full."""
    rate = speech.recordings.sampling_rate
    num_samples = round(seconds * rate)
    draws = np.random.default_rng(fold_seed(*stream))
    pieces: list[Piece] = []
    # a clip shorter than the first pause still begins to speak
    at = round(min(draws.uniform(*_FIRST_PAUSE), seconds / 4) * rate)
    while not pieces or num_samples - at >= _SHORTEST_PIECE * rate:
        row = rows[draw_below(len(rows), *stream, len(pieces))]
        samples = speech.samples(row)
        offset = _loud_offset(samples, rate, draws) if len(samples) > num_samples else 0
        length = min(len(samples) - offset, num_samples - at)
        pieces.append(Piece(row, at, offset, length))
        at += length + round(draws.uniform(*_PAUSES) * rate)
    return tuple(pieces)


def _loud_offset(samples: np.ndarray, rate: int, draws: np.random.Generator) -> int:
    """Somewhere in a long recording where somebody speaks."""
    steps = 10.0  # a second
    loudness = loudness_per_frame(
        samples, sampling_rate=rate, num_frames=int(len(samples) / rate * steps), frame_rate=steps
    )
    loud = np.flatnonzero(loudness >= min(_LOUD_SHARE * FULL_LOUDNESS, loudness.max()))
    return max(0, round((loud[draws.integers(len(loud))] / steps - _LEAD) * rate))


def clip_sound(plan: ClipPlan, speech: Speech, *, num_samples: int) -> np.ndarray:
    """The sound of a clip, float32 `(samples,)`."""
    sound = np.zeros(num_samples, dtype=np.float32)
    for piece in plan.pieces:
        samples = speech.samples(piece.recording)[piece.offset : piece.offset + piece.length]
        sound[piece.start : piece.start + piece.length] = samples
    return sound


def eyes_open(plan: ClipPlan, *, num_frames: int, frame_rate: float) -> np.ndarray:
    """How far the eyes are open, `(frames,)` in [0, 1]."""
    return 1 - np.minimum(1, 1.3 * _bumps([(at, 1.0) for at in plan.blinks], _BLINK_SECONDS, num_frames, frame_rate))


def nods(plan: ClipPlan, *, num_frames: int, frame_rate: float) -> np.ndarray:
    """How far down the head is, `(frames,)`, in 64ths of the frame."""
    return _bumps(plan.nods, _NOD_SECONDS, num_frames, frame_rate)


def _bumps(
    heights: tuple[tuple[float, float], ...] | list[tuple[float, float]],
    seconds: float,
    num_frames: int,
    frame_rate: float,
) -> np.ndarray:
    """Smooth rises and falls that start at given times."""
    times = (np.arange(num_frames) + 0.5) / frame_rate
    total = np.zeros(num_frames)
    for at, height in heights:
        total += height * np.sin(np.pi * np.clip((times - at) / seconds, 0, 1)) ** 2
    return total
