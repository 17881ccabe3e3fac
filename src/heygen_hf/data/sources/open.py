"""Open anything that holds captioned clips into the same columns."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from heygen_hf.data.sources.columns import ColumnChoice, make_dataset
from heygen_hf.data.sources.folder import is_split_folder, open_folder, split_folder

if TYPE_CHECKING:
    import datasets


def has_split(source: str | os.PathLike, split: str) -> bool:
    """Whether a folder has a subfolder for this split."""
    return is_split_folder(Path(source), split)


def load_video_dataset(
    source: str | os.PathLike,
    *,
    split: str | None = "train",
    caption_column: str | None = "text",
    label_columns: Sequence[str] = (),
    audio_column: str | None = None,
    video_column: str | None = None,
) -> "datasets.Dataset":
    """Open a source of captioned clips."""
    choice = ColumnChoice(caption_column, tuple(label_columns), audio_column, video_column)
    path = Path(source)
    expected = "expected a folder with clips, or with metadata.jsonl (columns file_name and text)"
    if not path.exists():
        raise ValueError(f"{path} does not exist; {expected}")
    if not path.is_dir():
        raise ValueError(f"{path} is a file; {expected}")
    rows = open_folder(split_folder(path, split), choice)
    return make_dataset(rows.columns, rows.notes)
