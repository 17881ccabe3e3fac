"""Recordings decoded once and held in memory as 16-bit samples: an hour at 16 kHz is 110 MiB."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Dataset

from heygen_hf.data.recordings.decoding import decode_recording
from heygen_hf.data.recordings.folder import RecordingRows
from heygen_hf.data.report import DataReport
from heygen_hf.data.video.errors import BadVideoError
from heygen_hf.data.video.guard import GuardedCall

_FULL_SCALE = 32767
_AT_ONCE = 64  # files that one call of the child decodes: most calls cost more than the decoding

_Decoded = tuple[torch.Tensor, bool] | str
"""int16 samples and whether the end was left out, or why there are none."""


class RecordingDataset(Dataset):
    """Sound with labels; made by `prepare_recordings`.

    Items are dictionaries: `audio`, float32 `(samples,)` mono in [-1, 1]; `index`; each label column as a string.

    Attributes:
        file_names: of the rows.
        labels: column → a value for each row.
        contents: hash of each row's samples, by which copies are known.
        sampling_rate: samples per second.
    """

    def __init__(
        self,
        samples: Sequence[torch.Tensor],
        *,
        file_names: Sequence[str],
        labels: Mapping[str, Sequence[str]],
        contents: Sequence[bytes],
        sampling_rate: int,
    ) -> None:
        self._samples = list(samples)
        self.file_names, self.contents, self.sampling_rate = list(file_names), list(contents), sampling_rate
        self.labels = {name: list(values) for name, values in labels.items()}

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of a data set of {len(self)}")
        row = index % len(self)
        labels = {name: values[row] for name, values in self.labels.items()}
        return {"audio": self._samples[row].float() / _FULL_SCALE, "index": row, **labels}

    def duration_seconds(self, index: int) -> float:
        return len(self._samples[index]) / self.sampling_rate

    def select(self, rows: Sequence[int]) -> "RecordingDataset":
        """Some of the recordings, numbered anew."""
        return RecordingDataset(
            [self._samples[row] for row in rows],
            file_names=[self.file_names[row] for row in rows],
            labels={name: [values[row] for row in rows] for name, values in self.labels.items()},
            contents=[self.contents[row] for row in rows],
            sampling_rate=self.sampling_rate,
        )


def prepare_recordings(
    rows: RecordingRows,
    *,
    sampling_rate: int,
    max_seconds: float = 30.0,
    max_bad_share: float = 0.1,
    decode_time_limit_seconds: float = 60.0,
) -> tuple[RecordingDataset, DataReport]:
    """Decode every recording, and leave out what cannot be used.

    Args:
        rows: as `find_recordings` gives them.
        sampling_rate: of the data set; other files are converted.
        max_seconds: longer recordings are cut there, which the report says.
        max_bad_share: a larger share of unusable files is an error.
        decode_time_limit_seconds: a file whose decoder takes longer cannot be used.

    Returns:
        The data set and the account of every file.

    Raises:
        ValueError: no usable recording, or too many unusable ones.
    """
    started = time.perf_counter()
    report = DataReport(num_rows=len(rows))
    used: list[int] = []
    samples: list[torch.Tensor] = []
    num_cut = 0
    decode = GuardedCall(_decode_all, time_limit_seconds=decode_time_limit_seconds)
    for start in range(0, len(rows), _AT_ONCE):
        paths = rows.paths[start : start + _AT_ONCE]
        for row, result in enumerate(_decode_guarded(decode, paths, sampling_rate, max_seconds), start=start):
            if isinstance(result, str):
                report.skipped.append((rows.file_names[row], result))
                continue
            used.append(row)
            samples.append(result[0])
            num_cut += result[1]
    report.num_used = report.num_stored = len(used)
    report.seconds = time.perf_counter() - started
    if num_cut:
        report.warnings.append(f"{num_cut} recordings are longer than {max_seconds:g} s and cut there")
    _refuse_if_bad(report, max_bad_share)
    dataset = RecordingDataset(
        samples,
        file_names=[rows.file_names[row] for row in used],
        labels={name: [values[row] for row in used] for name, values in rows.labels.items()},
        contents=[hashlib.blake2b(each.numpy().tobytes(), digest_size=16).digest() for each in samples],
        sampling_rate=sampling_rate,
    )
    return dataset, report


def _decode_guarded(
    decode: Callable[..., list[_Decoded]], paths: Sequence[str | None], sampling_rate: int, max_seconds: float
) -> list[_Decoded]:
    """Several files in one call of the child process, and one by one where one of them breaks it."""
    options: dict[str, Any] = {"sampling_rate": sampling_rate, "max_seconds": max_seconds}
    try:
        return decode(paths, **options)
    except BadVideoError as error:
        if len(paths) == 1:
            return [str(error)]
    return [_decode_guarded(decode, [path], sampling_rate, max_seconds)[0] for path in paths]


def _decode_all(paths: Sequence[str | None], *, sampling_rate: int, max_seconds: float) -> list[_Decoded]:
    results: list[_Decoded] = []
    for path in paths:
        if path is None:
            results.append("its name leads out of the folder")
            continue
        try:
            recording, was_cut = decode_recording(path, sampling_rate=sampling_rate, max_seconds=max_seconds)
        except BadVideoError as error:
            results.append(str(error))
        else:
            results.append(((recording * _FULL_SCALE).round().to(torch.int16), was_cut))
    return results


def _refuse_if_bad(report: DataReport, max_bad_share: float) -> None:
    if report.num_used and report.bad_share <= max_bad_share:
        return
    reasons = "; ".join(f"{name!r}: {reason}" for name, reason in report.skipped[:3])
    raise ValueError(
        f"{len(report.skipped)} of {report.num_rows} recordings cannot be used ({report.bad_share:.0%}, allowed are "
        f"{max_bad_share:.0%}): {reasons}; mend or remove them"
    )
