"""What is heard in clips, analysed once for good: rows of features at a steady rate, from which any frames are taken.

A folder `sounds-<settings>-<contents>/` of the cache holds them, beside the frame stores and by the same rules: its
name is made of the clips' contents and of what decides the features, it exists whole or not at all, and may be deleted
at any time. Clips whose decoder hung or crashed are tried again under a longer time limit.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from filelock import FileLock

from heygen_hf.data.cache.disk_errors import clear_disk_errors
from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.data.video.errors import BadVideoError
from heygen_hf.data.video.source import VideoSource

if TYPE_CHECKING:
    from heygen_hf.data.clips.dataset import VideoClipDataset
    from heygen_hf.processing.frame_audio_features import FrameAudioFeatureExtractor

NO_SOUND = "it has no sound track"
_FORMAT_VERSION = 1  # raise it when the same settings give other values
_VALUES, _INDEX = "values.npy", "index.json"
_DECODER_MEMORY_GIBIBYTES = 4.0


@dataclass(frozen=True)
class DecoderFailure:
    """A decoder that hung or crashed, which it may not do another time."""

    reason: str


Heard = torch.Tensor | str | DecoderFailure
"""Samples, or why there are none."""

Analyze = Callable[[torch.Tensor], torch.Tensor]
"""`(samples,)` → `(rows, width)`."""


@dataclass(frozen=True, eq=False)
class ClipSounds:
    """The analysed sound of each clip of a data set.

    Attributes:
        extractor: takes frames from rows.
        values: float16 `(rows of all clips, width)`, mapped from disk.
        starts, lengths: int64 `(clips,)`, where the rows of each clip are.
        seconds: float64 `(clips,)`, how long the rows of each last.
        problems: clip → why it has no sound.
    """

    extractor: "FrameAudioFeatureExtractor"
    values: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    seconds: np.ndarray
    problems: Mapping[int, str]

    def select(self, rows: Sequence[int]) -> "ClipSounds":
        """Those of some clips, numbered anew."""
        chosen = list(rows)
        problems = {new: self.problems[row] for new, row in enumerate(chosen) if row in self.problems}
        return ClipSounds(
            self.extractor, self.values, self.starts[chosen], self.lengths[chosen], self.seconds[chosen], problems
        )

    def at_frames(self, clip: int, frames: Sequence[int], *, frame_rate: float) -> torch.Tensor:
        """What is heard at some frames of a clip, `(frames, hidden_size)`.

        Args:
            frames: numbers of frames, at the clip's `frame_rate`; -1 for one that shows nothing.
        """
        numbers = np.asarray(frames, dtype=np.float64)
        steps = np.diff(numbers[numbers >= 0])
        # a frame is heard for as long as it is shown: until the next one that was taken
        step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0
        start, length = int(self.starts[clip]), int(self.lengths[clip])
        rows = torch.from_numpy(np.array(self.values[start : start + length], dtype=np.float32))
        rate = length / self.seconds[clip] if self.extractor.has_encoder and length else None
        return self.extractor.at_times(
            rows, numbers / frame_rate, frame_seconds=step / frame_rate, rows_per_second=rate
        )


def prepare_sounds(
    clips: "VideoClipDataset",
    extractor: "FrameAudioFeatureExtractor",
    *,
    cache_dir: str | os.PathLike,
    analyze: Analyze | None = None,
    analyzed_by: str | None = None,
    decode_time_limit_seconds: float = 60.0,
    num_workers: int | None = None,
    progress: bool = True,
) -> ClipSounds:
    """Decode and analyse the sound of every clip, or read what an earlier run left.

    Args:
        extractor: analyses, unless `analyze` does, and takes the frames.
        cache_dir: where the result lies; created.
        analyze: an audio encoder in place of the extractor's mel bands.
        analyzed_by: what decides `analyze`'s values, as a name for the cache.
        decode_time_limit_seconds: a file whose decoder takes longer counts as one without sound, until a longer limit.

    Raises:
        OSError: the cache folder cannot be written, or the disk is full.
    """
    settings = {
        name: value
        for name, value in extractor.to_dict().items()
        if name not in ("speech_level", "steps_per_frame", "feature_extractor_type", "processor_class")
    }
    row_of = {content: row for row, content in enumerate(clips.contents)}
    settings_key = _short_hash(json.dumps([_FORMAT_VERSION, settings, analyzed_by], sort_keys=True).encode())
    # of a clip whose start alone is used no more is heard
    lengths = [f"{content.hex()} {clips.duration_seconds(row):.6f}" for content, row in sorted(row_of.items())]
    folder = Path(cache_dir) / f"sounds-{settings_key}-{_short_hash(' '.join(lengths).encode())}"
    with clear_disk_errors(Path(cache_dir)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".sounds-{settings_key}.lock"):
            known = _known(folder, time_limit_seconds=decode_time_limit_seconds)
            missing = [content for content in row_of if content.hex() not in known]
            if missing:
                heard = _decode_all(
                    clips,
                    [row_of[content] for content in missing],
                    sampling_rate=extractor.sampling_rate,
                    time_limit_seconds=decode_time_limit_seconds,
                    num_workers=num_workers,
                    progress=progress,
                )
                analyzed = _analyzed(
                    missing,
                    heard,
                    analyze or extractor.analyze,
                    sampling_rate=extractor.sampling_rate,
                    time_limit_seconds=decode_time_limit_seconds,
                )
                _write(folder, known, analyzed)
    index = json.loads((folder / _INDEX).read_text("utf-8"))
    values = np.load(folder / _VALUES, mmap_mode="r", allow_pickle=False)
    entries = [index[content.hex()] for content in clips.contents]
    return ClipSounds(
        extractor,
        values,
        starts=np.array([entry["start"] for entry in entries], dtype=np.int64),
        lengths=np.array([entry["length"] for entry in entries], dtype=np.int64),
        seconds=np.array([entry["seconds"] for entry in entries], dtype=np.float64),
        problems={row: entry["problem"] for row, entry in enumerate(entries) if entry["problem"]},
    )


def _short_hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _known(folder: Path, *, time_limit_seconds: float) -> dict[str, tuple[dict[str, Any], np.ndarray]]:
    """Content → entry and rows of what a folder holds, but for what a longer time limit is worth another try."""
    if not folder.exists():
        return {}
    index = json.loads((folder / _INDEX).read_text("utf-8"))
    values = np.load(folder / _VALUES, mmap_mode="r", allow_pickle=False)
    return {
        content: (entry, values[entry["start"] : entry["start"] + entry["length"]])
        for content, entry in index.items()
        if entry.get("failed_after_seconds", time_limit_seconds) >= time_limit_seconds
    }


def _decode_all(
    clips: "VideoClipDataset",
    rows: Sequence[int],
    *,
    sampling_rate: int,
    time_limit_seconds: float,
    num_workers: int | None,
    progress: bool,
) -> Iterator[Heard]:
    """Samples of each clip, or why there are none."""
    jobs = [(clips.videos[row], clips.duration_seconds(row)) for row in rows]
    return map_in_workers(
        partial(_decode, sampling_rate=sampling_rate),
        jobs,
        description="Listening to clips",
        num_workers=num_workers,
        progress=progress,
        time_limit_seconds=time_limit_seconds,
        on_failure=lambda _, reason: DecoderFailure(reason),
        memory_limit_gibibytes=_DECODER_MEMORY_GIBIBYTES,
    )


def _decode(job: tuple[VideoSource, float], *, sampling_rate: int) -> torch.Tensor | str:
    video, seconds = job
    try:
        clip = decode_audio(video, start_seconds=0, duration_seconds=seconds, sampling_rate=sampling_rate)
    except BadVideoError as error:
        return str(error)
    return clip.samples if clip.has_track else NO_SOUND


def _analyzed(
    contents: Sequence[bytes],
    heard: Iterator[Heard],
    analyze: Analyze,
    *,
    sampling_rate: int,
    time_limit_seconds: float,
) -> Iterator[tuple[str, dict[str, Any], np.ndarray]]:
    """Content, entry and rows of each clip, one at a time."""
    for content, sound in zip(contents, heard, strict=True):
        entry: dict[str, Any] = {"seconds": 0.0, "problem": None}
        rows = np.zeros((0, 0), np.float16)
        if isinstance(sound, torch.Tensor):
            rows = analyze(sound).numpy().astype(np.float16)
            entry["seconds"] = len(sound) / sampling_rate
        elif isinstance(sound, DecoderFailure):
            entry["problem"] = f"{sound.reason}; a longer data.decode_time_limit_seconds tries again"
            entry["failed_after_seconds"] = time_limit_seconds
        else:
            entry["problem"] = sound
        yield content.hex(), entry, rows


def _write(
    folder: Path,
    known: Mapping[str, tuple[dict[str, Any], np.ndarray]],
    analyzed: Iterator[tuple[str, dict[str, Any], np.ndarray]],
) -> None:
    """Write what is known and what is new, then move it to its place. The caller holds the lock."""
    partial_folder = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial_folder, ignore_errors=True)  # of a process that was killed
    partial_folder.mkdir()
    try:
        index: dict[str, dict[str, Any]] = {}
        parts: list[np.ndarray] = []
        end = 0
        for content, entry, rows in chain(((key, *held) for key, held in known.items()), analyzed):
            if len(rows):
                parts.append(np.asarray(rows))
            index[content] = entry | {"start": end, "length": len(rows)}
            end += len(rows)
        np.save(partial_folder / _VALUES, np.concatenate(parts) if parts else np.zeros((0, 1), np.float16))
        (partial_folder / _INDEX).write_text(json.dumps(index), "utf-8")
        if folder.exists():
            shutil.rmtree(folder)  # who has it open keeps what was mapped
        os.replace(partial_folder, folder)
    finally:
        shutil.rmtree(partial_folder, ignore_errors=True)
