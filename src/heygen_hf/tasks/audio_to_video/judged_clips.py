"""Test clips as what a video is generated from: their first frames and their whole sound."""

from collections.abc import Sequence
from typing import Any

import torch

from heygen_hf.data import VideoClipDataset
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.given_files import whole_clip
from heygen_hf.tasks.recipe import Recipe


def given_patterns(training: dict[str, Any]) -> set[str]:
    """The given frames that a recipe's model learns from, see `training.given_frames`."""
    shares = training.get("given_frames") or {}
    return {name for name, share in shares.items() if share and name != "none"}


def learns_to_continue(training: dict[str, Any]) -> bool:
    """Whether a recipe's model learns to go on from several frames, so that videos of any length are made."""
    return bool(given_patterns(training) & {"prefix", "random"})


def first_frames_and_sounds(
    clips: VideoClipDataset,
    rows: Sequence[int],
    recipe: Recipe,
    *,
    processor: VideoProcessor,
    hearing: Hearing,
    num_frames: int | None = None,
) -> tuple[dict[str, Any], list[torch.Tensor]]:
    """Arguments of the pipeline for videos like some clips, and the clips' own frames.

    Args:
        num_frames: of the videos; by default as many as the shortest clip has, or, for a model that does not learn to
            go on from its own frames, as it makes at once.

    Returns:
        `image` (unless the model learns from no given frame), `audio`, `audio_sampling_rate`, `num_frames`; and each
        clip's uint8 frames `(num_frames, channels, height, width)`.

    Raises:
        ValueError: a clip has fewer frames.
    """
    frames = [whole_clip(clips.videos[row], processor, from_start=True) for row in rows]
    shortest = min(len(clip) for clip in frames)
    if num_frames is None:
        num_frames = shortest if learns_to_continue(recipe.training) else processor.num_frames
    num_frames = max(num_frames, processor.num_frames)
    if num_frames > shortest:
        raise ValueError(
            f"a test clip has {shortest} frames and {num_frames} are wanted (evaluation.num_frames, or the model's "
            "own): lower the first, or leave such clips out of the test split"
        )
    rate = hearing.extractor.sampling_rate
    seconds = num_frames / recipe.generation.frame_rate
    sounds = [
        decode_audio(clips.videos[row], start_seconds=0, duration_seconds=seconds, sampling_rate=rate).samples
        for row in rows
    ]
    given: dict[str, Any] = {"audio": sounds, "audio_sampling_rate": rate, "num_frames": num_frames}
    if given_patterns(recipe.training):
        given["image"] = [clip[0].float() / 255 for clip in frames]
    return given, [clip[:num_frames] for clip in frames]


def evaluation_rows(clips: VideoClipDataset, recipe: Recipe, *, limit: int | None = None) -> list[int]:
    """The clips to judge by: with identities as many of each, else evenly spread."""
    section = recipe.evaluation
    count = min(section.num_clips, len(clips), len(clips) if limit is None else limit)
    if section.identity_column is None:
        return [i * len(clips) // count for i in range(count)]
    by_identity: dict[str, list[int]] = {}
    for row, identity in enumerate(clips.labels[section.identity_column]):
        if identity in by_identity or len(by_identity) < section.num_identities:
            by_identity.setdefault(identity, []).append(row)
    turns = max(len(rows) for rows in by_identity.values())
    in_turn = [rows[turn] for turn in range(turns) for rows in by_identity.values() if turn < len(rows)]
    return in_turn[:count]


def check_identities(clips: VideoClipDataset, recipe: Recipe) -> None:
    """Refuse data in which no identity can be measured.

    Raises:
        ValueError: names the key.
    """
    column = recipe.evaluation.identity_column
    if column is None:
        return
    if column not in clips.labels:
        raise ValueError(
            f"evaluation.identity_column is {column!r}, which is not among data.label_columns; add it there, or set it "
            "to null"
        )
    if len(set(clips.labels[column])) < 2:
        raise ValueError(f"the test clips show one {column} only: it cannot be mistaken; set identity_column to null")
