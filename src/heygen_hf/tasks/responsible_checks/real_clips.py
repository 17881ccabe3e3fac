"""A run's real clips, one by one, with their labels."""

from collections.abc import Sequence

import torch

from heygen_hf.data import VideoClipDataset
from heygen_hf.tasks.video_metrics.run_to_measure import RunToMeasure


class ClipsOfRows(Sequence[torch.Tensor]):
    """Some rows of a data set as uint8 `(frames, channels, height, width)`, read when they are asked for.

    Attributes:
        labels: column → a value each.
        names: file names, without a path.
        texts: captions.
    """

    def __init__(self, clips: VideoClipDataset, rows: Sequence[int]) -> None:
        self._clips, self._rows = clips, list(rows)
        self.labels = {column: [str(values[row]) for row in self._rows] for column, values in clips.labels.items()}
        self.names = [clips.file_names[row] for row in self._rows]
        self.texts = [clips.texts[row] for row in self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> torch.Tensor:  # type: ignore[override]
        return torch.as_tensor(self._clips[self._rows[index]]["frames"])


def labelled_real_clips(run: RunToMeasure, count: int) -> ClipsOfRows:
    """The first so many real clips of a run, which are a random choice."""
    assert run.real is not None
    return ClipsOfRows(run.real.clips, run.real.rows[:count])
