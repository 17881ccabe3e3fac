"""Samples of several modalities: a clip with its caption and a sound, or a recording alone."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch.utils.data import Dataset

from heygen_hf.data import VideoClipDataset
from heygen_hf.data.recordings import RecordingDataset
from heygen_hf.processing import draw_below

_PAIRING_STREAM = 11  # keeps these draws apart from those of frames and crops


class FusionSamples(Dataset):
    """Clips, and to each a sound: its own, or a recording that shares a label with it, drawn by (seed, epoch, index).

    Items are those of `VideoClipDataset`, with `audio` None where there is silence; without clips those of
    `RecordingDataset`.

    Args:
        clips: None for recordings alone.
        recordings: None for the clips' own sound, or none.
        pair_by: the label that a clip and its recording share.
        audio_sampling_rate: of the clips' own sound; None leaves it out.
        seed: of the pairing.

    Raises:
        ValueError: no recording has a label that some clip has, or the clips have no such label.
    """

    def __init__(
        self,
        clips: VideoClipDataset | None,
        recordings: RecordingDataset | None,
        *,
        pair_by: str | None = None,
        audio_sampling_rate: int | None = None,
        seed: int = 0,
    ) -> None:
        if clips is not None and audio_sampling_rate is not None:
            clips = copy.copy(clips)
            clips.options = replace(clips.options, audio_sampling_rate=audio_sampling_rate)
        self.clips, self.recordings, self.seed, self.pair_by = clips, recordings, seed, pair_by
        self._rows_of_label: dict[str, list[int]] = {}
        if clips is not None and recordings is not None:
            assert pair_by is not None
            for row, label in enumerate(recordings.labels[pair_by]):
                self._rows_of_label.setdefault(label, []).append(row)
            self._check_pairing(clips)

    def _check_pairing(self, clips: VideoClipDataset) -> None:
        column = str(self.pair_by)
        if column not in clips.labels:
            raise ValueError(
                f"recordings are paired with clips by {column!r}, which is none of the clips' labels "
                f"({', '.join(clips.labels) or 'they have none'}): add it to data.label_columns"
            )
        missing = sorted(set(map(str, clips.labels[column])) - set(self._rows_of_label))
        if missing:
            raise ValueError(
                f"no recording has the {column} {missing[0]!r}, which clips have (recordings have "
                f"{', '.join(sorted(self._rows_of_label))}): add recordings, or leave those clips out"
            )

    @property
    def labels(self) -> Mapping[str, Sequence[str]]:
        """Label column → a value for each sample."""
        own = self.clips if self.clips is not None else self.recordings
        assert own is not None
        return own.labels

    @property
    def texts(self) -> list[str]:
        """The captions, "" where there are none."""
        return [""] * len(self) if self.clips is None else self.clips.texts

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose random frames and recordings the samples show."""
        if self.clips is not None:
            self.clips.set_epoch(epoch)

    @property
    def epoch(self) -> int:
        return 0 if self.clips is None else self.clips.epoch

    def __len__(self) -> int:
        return len(self.clips if self.clips is not None else self.recordings)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        if self.clips is None:
            assert self.recordings is not None
            return [self.recordings[index] for index in indices]
        items = self.clips.__getitems__(indices)
        if self.recordings is not None:
            for item in items:
                rows = self._rows_of_label[str(item[self.pair_by])]
                drawn = draw_below(len(rows), self.seed, self.clips.epoch, item["index"], _PAIRING_STREAM)
                item["audio"] = self.recordings[rows[drawn]]["audio"]
        elif self.clips.options.audio_sampling_rate is not None:
            for item in items:
                if not bool(item["audio"].any()):  # a file without a sound track gives silence
                    item["audio"] = None
        return items
