"""Do sound and picture run together? SyncNet's distance and confidence, or the correlation of two signals."""

from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
import torch

from heygen_hf.evaluation.clip_figures.sync import signal_sync, sync_of_embeddings
from heygen_hf.evaluation.measuring import mean_bootstrap_interval


def audio_video_sync(
    pictures: Sequence[torch.Tensor],
    sounds: Sequence[torch.Tensor],
    *,
    max_offset_frames: int = 15,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The mean over clips of how well sound and picture fit, with bootstrap intervals over clips.

    Args:
        pictures, sounds: of each clip `(frames, features)` embeddings of a network such as SyncNet, or `(frames,)`
            signals, such as how far a mouth is open (`mouth_opening`) and how loud it is (`loudness_per_frame`).
        max_offset_frames: how far the sound is moved either way.

    Returns:
        `{"distance", "confidence", "correlation", "offset_frames", "in_sync", "count", "intervals"}`: means over clips
        (None where a kind has none: signals no distance, embeddings no correlation); `in_sync` is the share of clips
        whose best offset is within one frame.

    Raises:
        ValueError: no clips, not one sound a clip, or shapes that do not fit.
    """
    if not len(pictures) or len(pictures) != len(sounds):
        raise ValueError(f"{len(pictures)} pictures and {len(sounds)} sounds; expected one of each a clip, and clips")
    scores = []
    for number, (picture, sound) in enumerate(zip(pictures, sounds, strict=True)):
        measure = sync_of_embeddings if picture.ndim == 2 else signal_sync
        try:
            scores.append(measure(picture, sound, max_offset_frames=max_offset_frames))
        except ValueError as error:
            raise ValueError(f"clip {number}: {error}") from None
    columns = {
        "distance": np.array([score.distance for score in scores]),
        "confidence": np.array([score.confidence for score in scores]),
        "correlation": np.array([score.correlation for score in scores]),
        "offset_frames": np.array([float(score.offset_frames) for score in scores]),
        "in_sync": np.array([float(abs(score.offset_frames) <= 1) for score in scores]),
    }
    known = {name: values for name, values in columns.items() if not np.isnan(values).any()}
    intervals = {
        name: mean_bootstrap_interval(values, num_resamples=num_resamples, seed=seed) for name, values in known.items()
    }
    means = {name: float(known[name].mean()) if name in known else None for name in columns}
    return {**means, "count": len(scores), "intervals": intervals}


_INPUTS = """
Args:
    predictions (list[list[float]]): of each clip, a signal of its picture, a number a frame.
    references (list[list[float]]): of each clip, a signal of its sound, a number a frame.
    max_offset_frames (int): 15 by default.
"""


class AudioVideoSync(evaluate.Metric):
    """The same for `evaluate`, of signals; embeddings go to the function."""

    def _info(self) -> evaluate.MetricInfo:
        signal = datasets.Sequence(datasets.Value("float32"))
        return evaluate.MetricInfo(
            description=audio_video_sync.__doc__ or "",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": signal, "references": signal}),
        )

    def _compute(self, predictions: list[Any], references: list[Any], max_offset_frames: int = 15) -> dict[str, Any]:
        pictures, sounds = ([torch.tensor(each) for each in part] for part in (predictions, references))
        return audio_video_sync(pictures, sounds, max_offset_frames=max_offset_frames)
