"""The recordings that faces speak: from a folder, or made up; brought to one level and split."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from heygen_hf.data.recordings import RecordingDataset, RecordingRows, prepare_recordings
from heygen_hf.data.sources.files import AUDIO_SUFFIXES, list_files, suffix_of
from heygen_hf.data.talking_faces.identities import shared_out
from heygen_hf.data.talking_faces.loudness import FULL_LOUDNESS, speech_level
from heygen_hf.data.talking_faces.synthetic_speech import synthesize_speech
from heygen_hf.processing import shuffled

_NUM_SYNTHETIC = 400
_SILENT_LEVEL = 0.001  # -60 dB of full scale
_MIN_SECONDS = 0.1  # shorter than any word
_MAX_SECONDS = 30.0
_MIN_RECORDINGS = 3  # one for each split
_READ_AT_ONCE = 2**20  # bytes


@dataclass(frozen=True)
class Speech:
    """Recordings to speak.

    Attributes:
        recordings: those that can be used; `file_names` names them.
        gains: what brings each to the level at which the mouth opens fully.
        splits: split to rows; copies of one recording are never in two splits.
        left_out: name to the reason why it cannot be used.
        warnings: anything else worth a sentence.
    """

    recordings: RecordingDataset
    gains: list[float]
    splits: Mapping[str, list[int]]
    left_out: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def samples(self, row: int) -> np.ndarray:
        """float32 `(samples,)` at the common level."""
        return np.clip(self.recordings[row]["audio"].numpy() * np.float32(self.gains[row]), -1, 1)


def find_speech(folder: str | os.PathLike) -> RecordingRows:
    """The recordings of a folder and all below it, whatever their names.

    Raises:
        ValueError: no such folder, or no recording in it.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"speech_dir {str(folder)!r} does not exist; name a folder with recordings of speech")
    files = list_files(folder)
    names = sorted(
        name
        for name in files.regular
        if suffix_of(name) in AUDIO_SUFFIXES and not PurePosixPath(name).name.startswith(".")
    )
    if not names:
        raise ValueError(
            f"speech_dir {str(folder)!r} has no recordings (.wav, .flac, .mp3 …); name the folder that holds them, or "
            "leave it out for made-up speech"
        )
    return RecordingRows(names, [files.resolve(name) for name in names], {})


def hash_speech(rows: RecordingRows) -> str:
    """A hash of the names and bytes of recordings, wherever their folder lies."""
    digest = hashlib.blake2b(digest_size=16)
    for name, path in zip(rows.file_names, rows.paths, strict=True):
        digest.update(os.fsencode(name) + b"\0")
        try:
            with open(path or "", "rb") as file:
                while chunk := file.read(_READ_AT_ONCE):
                    digest.update(chunk)
        except OSError:
            digest.update(b"unreadable")  # named with its reason when it is decoded
        digest.update(b"\0")
    return digest.hexdigest()


def open_speech(rows: RecordingRows, *, sampling_rate: int, seed: int) -> Speech:
    """Decode recordings; silent and very short ones are left out, and named.

    Raises:
        ValueError: fewer than three different ones can be used, or a tenth of the files cannot be read.
    """
    recordings, report = prepare_recordings(rows, sampling_rate=sampling_rate, max_seconds=_MAX_SECONDS)
    left_out = dict(report.skipped)
    levels = [0.0] * len(recordings)
    for row, name in enumerate(recordings.file_names):
        samples = recordings[row]["audio"].numpy()
        levels[row] = speech_level(samples, sampling_rate=sampling_rate)
        if len(samples) < _MIN_SECONDS * sampling_rate:
            left_out[name] = f"it lasts {len(samples) / sampling_rate:.3f} s, less than {_MIN_SECONDS:g} s"
        elif levels[row] < _SILENT_LEVEL:
            left_out[name] = "it is silent"
    used = [row for row, name in enumerate(recordings.file_names) if name not in left_out]
    return _split(recordings.select(used), [levels[row] for row in used], left_out, tuple(report.warnings), seed=seed)


def make_up_speech(*, sampling_rate: int, seed: int) -> Speech:
    """Speech-like recordings, always the same ones for a seed."""
    made_up = [
        torch.from_numpy(synthesize_speech(number, sampling_rate=sampling_rate, seed=seed))
        for number in range(_NUM_SYNTHETIC)
    ]
    samples = [(recording * 32767).round().to(torch.int16) for recording in made_up]
    recordings = RecordingDataset(
        samples,
        file_names=[f"synthetic-{number:05d}" for number in range(_NUM_SYNTHETIC)],
        labels={},
        contents=[hashlib.blake2b(each.numpy().tobytes(), digest_size=16).digest() for each in samples],
        sampling_rate=sampling_rate,
    )
    levels = [speech_level(each.numpy(), sampling_rate=sampling_rate) for each in made_up]
    return _split(recordings, levels, {}, (), seed=seed)


def _split(
    recordings: RecordingDataset,
    levels: list[float],
    left_out: dict[str, str],
    warnings: tuple[str, ...],
    *,
    seed: int,
) -> Speech:
    by_content: dict[bytes, list[int]] = {}
    for row, content in enumerate(recordings.contents):
        by_content.setdefault(content, []).append(row)
    different = sorted(by_content)  # by their hashes: neither names nor order of the files matter
    if len(different) < _MIN_RECORDINGS:
        reasons = "".join(f"; {name!r}: {reason}" for name, reason in list(left_out.items())[:3])
        raise ValueError(
            f"{len(different)} different recordings of speech can be used, expected at least {_MIN_RECORDINGS}, one a "
            f"split: add some{reasons}"
        )
    order = shared_out(shuffled(len(different), seed, 11))
    return Speech(
        recordings,
        gains=[FULL_LOUDNESS / level for level in levels],
        splits={name: [row for n in numbers for row in by_content[different[n]]] for name, numbers in order.items()},
        left_out=left_out,
        warnings=warnings,
    )
