"""Do sound and picture run together? From embeddings as SyncNet makes them, or from two plain signals."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SyncScore:
    """How well a clip's sound fits its picture.

    Attributes:
        offset_frames: by how many frames the sound should be moved later for the best fit; 0 is in sync.
        distance: at the best offset (SyncNet's "LSE-D"), lower is better; nan of plain signals.
        confidence: how much better the best offset is than a usual one (SyncNet's "LSE-C"), higher is better.
        correlation: at the best offset, of plain signals; nan of embeddings.
    """

    offset_frames: int
    distance: float
    confidence: float
    correlation: float


def sync_of_embeddings(video: torch.Tensor, audio: torch.Tensor, *, max_offset_frames: int = 15) -> SyncScore:
    """SyncNet's measure: distances between the embedding of each frame and those of the sound around it.

    Chung & Zisserman 2016, "Out of time"; Prajwal et al. 2020, arXiv:2008.10010 (LSE-D and LSE-C).

    Args:
        video, audio: `(frames, features)` of a network trained so that what belongs together is near.
        max_offset_frames: how far the sound is moved either way.

    Raises:
        ValueError: shapes that differ, or fewer frames than offsets.
    """
    _check(video, audio, max_offset_frames, dims=2)
    distances = {
        offset: float((first - second).norm(dim=1).mean())
        for offset, first, second in _shifted(video.double(), audio.double(), max_offset_frames)
    }
    best = min(distances, key=lambda offset: (distances[offset], abs(offset)))
    median = float(torch.tensor(list(distances.values())).median())
    return SyncScore(best, distances[best], median - distances[best], float("nan"))


def signal_sync(motion: torch.Tensor, sound: torch.Tensor, *, max_offset_frames: int = 15) -> SyncScore:
    """The same of two plain signals, such as how far a mouth is open and how loud the sound is: the offset of the
    highest correlation, which `confidence` compares with the median over offsets.

    Args:
        motion, sound: `(frames,)`.

    Raises:
        ValueError: shapes that differ, too few frames, or a signal that never changes.
    """
    _check(motion, sound, max_offset_frames, dims=1)
    for name, signal in (("motion", motion), ("sound", sound)):
        if float(signal.double().std()) <= 1e-9:
            raise ValueError(
                f"audio_video_sync: the {name} never changes, so nothing can follow it; leave the clip out"
            )
    correlations = {
        offset: _correlation(first, second)
        for offset, first, second in _shifted(motion.double(), sound.double(), max_offset_frames)
    }
    best = max(correlations, key=lambda offset: (correlations[offset], -abs(offset)))
    median = float(torch.tensor(list(correlations.values())).median())
    return SyncScore(best, float("nan"), correlations[best] - median, correlations[best])


def _check(video: torch.Tensor, audio: torch.Tensor, max_offset: int, *, dims: int) -> None:
    if video.ndim != dims or audio.shape != video.shape or len(video) <= max_offset + 1 or max_offset < 1:
        raise ValueError(
            f"audio_video_sync: picture {tuple(video.shape)} and sound {tuple(audio.shape)} with max_offset_frames="
            f"{max_offset}; expected {'(frames, features)' if dims == 2 else '(frames,)'} of both, at least two more "
            "frames than offsets"
        )


def _shifted(video: torch.Tensor, audio: torch.Tensor, max_offset: int) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """(offset, picture, sound) of what overlaps where the sound is moved `offset` frames later."""
    frames = len(video)
    return [
        (offset, video[max(0, offset) : frames + min(0, offset)], audio[max(0, -offset) : frames - max(0, offset)])
        for offset in range(-max_offset, max_offset + 1)
    ]


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    first, second = first - first.mean(), second - second.mean()
    length = float(first.norm() * second.norm())
    return 0.0 if length <= 1e-12 else float(first @ second) / length
