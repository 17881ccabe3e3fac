"""What judges are trained on: any data set of clips whose items carry label columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch


class LabelledClips(Protocol):
    """Items are `{"frames": uint8 (frames, channels, height, width), "<label column>": value, ...}`.

    Where a data set has them, `__getitems__(indices)` is used to read several at once, and `labels` (column
    -> a value for each clip) to read labels without decoding a clip.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


class Processor(Protocol):
    """What `heygen_hf.processing.VideoProcessor` gives: uint8 frames to floating point in [-1, 1]."""

    def normalize(self, frames: torch.Tensor, /) -> torch.Tensor: ...


def fetch_items(dataset: LabelledClips, indices: Sequence[int]) -> list[dict[str, Any]]:
    """The items at these indices, in their order."""
    fetch_several = getattr(dataset, "__getitems__", None)
    return fetch_several(list(indices)) if fetch_several else [dataset[index] for index in indices]


def fetch_clips(dataset: LabelledClips, indices: Sequence[int], processor: Processor) -> torch.Tensor:
    """Normalised `(len(indices), frames, channels, height, width)` of these clips."""
    return stack_clips(fetch_items(dataset, indices), processor)


def stack_clips(items: Sequence[dict[str, Any]], processor: Processor) -> torch.Tensor:
    """One normalised `(n, frames, channels, height, width)` tensor of the items' frames.

    Raises:
        ValueError: frames that are not uint8, or clips of different shapes.
    """
    frames = [torch.as_tensor(item["frames"]) for item in items]
    shapes = {tuple(clip.shape) for clip in frames}
    if len(shapes) != 1 or frames[0].dtype != torch.uint8:
        raise ValueError(
            f"frames of shapes {sorted(shapes)} and type {frames[0].dtype} given, expected uint8 clips "
            "of one shape (frames, channels, height, width): resize and crop them with the processor."
        )
    return processor.normalize(torch.stack(frames))


def read_labels(dataset: LabelledClips, label_columns: Sequence[str], *, chunk_size: int = 256) -> dict[str, list[str]]:
    """Every clip's value in every label column, as text.

    Raises:
        ValueError: a column is missing, or a clip has no value in it.
    """
    ready = getattr(dataset, "labels", None)
    if isinstance(ready, Mapping):  # without decoding a clip
        for column in label_columns:
            if column not in ready:
                raise _no_column(column, ready)
        return {column: _all_present(column, ready[column]) for column in label_columns}

    labels: dict[str, list[Any]] = {column: [] for column in label_columns}
    for start in range(0, len(dataset), chunk_size):
        for item in fetch_items(dataset, range(start, min(start + chunk_size, len(dataset)))):
            for column in label_columns:
                if column not in item:
                    raise _no_column(column, item)
                labels[column].append(item[column])
    return {column: _all_present(column, values) for column, values in labels.items()}


def _no_column(column: str, available: Iterable[str]) -> ValueError:
    known = ", ".join(sorted(str(name) for name in available if name not in {"frames", "index"}))
    return ValueError(f"the data set has no label column {column!r}; its columns are: {known or 'none'}.")


def _all_present(column: str, values: Sequence[Any]) -> list[str]:
    for index, value in enumerate(values):
        if value is None or str(value).strip() == "":
            raise ValueError(
                f"clip {index} has no value in the label column {column!r}: fill it in, leave the clip out "
                "or choose another column."
            )
    return [str(value) for value in values]


def class_names(column: str, values: Sequence[str]) -> list[str]:
    """The distinct values of a column in a stable order, numbers by size.

    Raises:
        ValueError: fewer than two values, or so many that the column is no set of classes.
    """
    names = sorted(set(values), key=lambda name: (not _is_number(name), float(name) if _is_number(name) else 0, name))
    if len(names) < 2:
        raise ValueError(f"label column {column!r} has the values {names} only: a judge needs two classes or more.")
    if len(names) > len(values) / 2:
        raise ValueError(
            f"label column {column!r} has {len(names)} different values in {len(values)} clips: choose a "
            "column of classes, with two clips or more for each."
        )
    return names


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)  # nan sorts as text
    except ValueError:
        return False
