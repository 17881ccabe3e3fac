"""Test clips as what a video is generated from: their first frames and their whole sound."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from heygen_hf.data import VideoClipDataset
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.evaluation.talking_faces import loudness_per_frame
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.audio_to_video.hearing import Hearing
from heygen_hf.tasks.generation.given_files import frame_numbers, whole_clip
from heygen_hf.tasks.recipe import Recipe

LEAST_HEARD = 2  # clips with speech: one is compared with another
_STILL = 1e-6  # a loudness that changes by less is silence


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
    lengths = {clips.file_names[row]: len(clip) for row, clip in zip(rows, frames, strict=True)}
    num_frames = video_length(lengths, recipe, processor=processor, asked=num_frames)
    rate = hearing.extractor.sampling_rate
    sounds = [_sound(clips, row, recipe, num_frames=num_frames, sampling_rate=rate) for row in rows]
    given: dict[str, Any] = {"audio": sounds, "audio_sampling_rate": rate, "num_frames": num_frames}
    if given_patterns(recipe.training):
        given["image"] = [clip[0].float() / 255 for clip in frames]
    return given, [clip[:num_frames] for clip in frames]


def video_length(
    lengths: Mapping[str, int], recipe: Recipe, *, processor: VideoProcessor, asked: int | None = None
) -> int:
    """Frames of videos like some clips.

    Args:
        lengths: file name → frames of each clip.
        asked: by default as in `first_frames_and_sounds`.

    Raises:
        ValueError: a clip has fewer frames.
    """
    name = min(lengths, key=lengths.__getitem__)
    if asked is None:
        asked = lengths[name] if learns_to_continue(recipe.training) else processor.num_frames
    asked = max(asked, processor.num_frames)
    if asked > lengths[name]:
        raise ValueError(
            f"the test clip {name} has {lengths[name]} frames and {asked} are wanted (evaluation.num_frames, or the "
            "model's own): lower the first, or leave such clips out of the test split"
        )
    return asked


def measured_frames(recipe: Recipe, num_frames: int) -> slice:
    """Those that the model makes: from the second on, where it learns from given first frames."""
    return slice(1 if given_patterns(recipe.training) else 0, num_frames)


def loudness_of(sound: torch.Tensor, recipe: Recipe, *, sampling_rate: int, num_frames: int) -> np.ndarray:
    """How loud a clip is at each measured frame; where it never changes it is silent."""
    loudness = loudness_per_frame(
        sound.numpy(), sampling_rate=sampling_rate, num_frames=num_frames, frame_rate=recipe.generation.frame_rate
    )
    return loudness[measured_frames(recipe, num_frames)]


def is_speech(loudness: np.ndarray) -> bool:
    """Whether a mouth could follow it."""
    return bool(np.ptp(loudness) > _STILL)


def check_judged_clips(clips: VideoClipDataset, recipe: Recipe, *, processor: VideoProcessor, hearing: Hearing) -> None:
    """Refuse test clips that cannot be measured, before training and not after it.

    Raises:
        ValueError: too short ones, or fewer than 2 with speech.
    """
    rows = evaluation_rows(clips, recipe)
    lengths = {clips.file_names[row]: len(frame_numbers(clips.videos[row], processor, from_start=True)) for row in rows}
    num_frames = video_length(lengths, recipe, processor=processor, asked=recipe.evaluation.num_frames)
    rate, heard = hearing.extractor.sampling_rate, 0
    for row in rows:
        sound = _sound(clips, row, recipe, num_frames=num_frames, sampling_rate=rate)
        heard += is_speech(loudness_of(sound, recipe, sampling_rate=rate, num_frames=num_frames))
        if heard == LEAST_HEARD:
            return
    raise too_few_heard(heard, len(rows))


def too_few_heard(heard: int, of: int) -> ValueError:
    """What to say of clips in which nobody speaks."""
    return ValueError(
        f"{heard} of {of} test clips have speech, and the measure needs at least {LEAST_HEARD}: add some to the test "
        "split, or set evaluation.measure=none"
    )


def _sound(clips: VideoClipDataset, row: int, recipe: Recipe, *, num_frames: int, sampling_rate: int) -> torch.Tensor:
    seconds = num_frames / recipe.generation.frame_rate
    found = decode_audio(clips.videos[row], start_seconds=0, duration_seconds=seconds, sampling_rate=sampling_rate)
    return found.samples


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
    shown = Counter(clips.labels[column])
    if len(shown) < 2:
        raise ValueError(f"the test clips show one {column} only: it cannot be mistaken; set identity_column to null")
    if max(shown.values()) < 2:
        raise ValueError(
            f"no {column} has a second test clip, to which a video could be compared; set identity_column to null"
        )
