"""Open anything that holds captioned clips into the same columns."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from heygen_hf.data.sources.columns import ColumnChoice
from heygen_hf.data.sources.hub import find_hub_files, load_from_hub
from heygen_hf.data.sources.locations import Source, is_several, locate
from heygen_hf.data.sources.one_source import open_dataset, open_shards
from heygen_hf.data.sources.several import MissingColumns, mix_datasets, mix_shards
from heygen_hf.data.sources.shards import VideoShards

if TYPE_CHECKING:
    import datasets


def load_video_dataset(
    source: Source | Sequence[Source],
    *,
    split: str | None = "train",
    streaming: bool = False,
    caption_column: str | None = "text",
    label_columns: Sequence[str] = (),
    audio_column: str | None = None,
    video_column: str | None = None,
    mixing_weights: Sequence[float] | None = None,
    missing_columns: MissingColumns = "error",
    seed: int = 0,
    cache_dir: str | os.PathLike | None = None,
) -> "datasets.Dataset | datasets.IterableDataset":
    """Open captioned clips, wherever they are, into the same columns.

    A **folder** has `metadata.jsonl`, `.csv` or `.parquet` (a column `file_name`, relative to the folder, and a row for
    each caption); or a `.txt` beside each clip; or `captions.txt` and `videos.txt` with a line for each clip; or class
    folders (`cats/1.mp4`: the caption is the folder's name with spaces for underscores, and `label` can be asked for
    as a label column); or clips without captions. A split is a subfolder of its name; else the folder itself is
    "train". **Files** are Parquet with clips (`"shards/*.parquet"`) or WebDataset tars (`"shards/*.tar"`,
    `"shards/{000..012}.tar"`), by path, pattern or list; a split is in their names
    (`validation-00000-of-00002.parquet`).
    **The Hub**'s data sets are `"user/dataset"`, at a revision `"hf://datasets/user/dataset@revision"`. A **list of
    sources** becomes one data set with a column `source`.

    Nothing is decoded here: files that turn out unusable are found, counted and named when they are prepared. What
    this function notices (files without a row, several rows for a file, empty captions …) is in the data set's
    `info.description`, a line each.

    Args:
        source: a folder, files, a data set of the Hub, or a list of these.
        split: which split; None for all that is there, whatever it is used for.
        streaming: read rows where they lie, as an `IterableDataset` with a shard for each shard of the source. Without
            it, clips inside Parquet files and tars are copied to an Arrow file of the cache, once.
        caption_column: the column with the captions, or None where there are none (`text` is then empty).
        label_columns: columns with class labels.
        audio_column: sound: a column of paths or bytes, or the ending in a tar; None takes it where it plainly is
            (`audio_file_name` in metadata, a sound file beside the clip, a column or member of audio).
        video_column: the column of clips; None for the usual names.
        mixing_weights: of a list of sources, how often each is drawn, in proportion. An epoch draws every row at least
            once: rows of the sources that weigh more are repeated. None draws each row once.
        missing_columns: where a source of a list lacks a column: an error, or None for its rows.
        seed: of which rows are repeated once more than others, and of the order of a streamed mixture.
        cache_dir: for the copies; None for the cache of `datasets`.

    Returns:
        Columns `video` (`{"path", "bytes"}`: a path or the bytes; neither where the row's path leaves the folder, which
        is refused), `text`, each label column as strings, `audio` where there is any (like `video`), `file_name` (a
        name for reports), and `source` for a list of sources.

    Raises:
        ValueError: something is missing or malformed; one line says what, and what to do.
    """
    choice = ColumnChoice(caption_column, tuple(label_columns), audio_column, video_column)
    if is_several(source) or mixing_weights is not None:
        mix: dict[str, Any] = {"weights": mixing_weights, "missing_columns": missing_columns, "seed": seed}
        if streaming:
            return mix_shards(_listed(source), split, choice, **mix).to_iterable_dataset()
        return mix_datasets(_listed(source), split, choice, cache_dir=cache_dir, **mix)
    location = locate(source, split)
    if location.kind == "hub":
        files = find_hub_files(location, split) if streaming else None
        if files is None:
            return load_from_hub(location, split, choice, streaming=streaming, cache_dir=cache_dir)
        location = files
    if streaming:
        return open_shards(location, split, choice).to_iterable_dataset()
    return open_dataset(location, split, choice, cache_dir=cache_dir)


def open_video_shards(
    source: Source | Sequence[Source],
    *,
    split: str | None = "train",
    caption_column: str | None = "text",
    label_columns: Sequence[str] = (),
    audio_column: str | None = None,
    video_column: str | None = None,
    mixing_weights: Sequence[float] | None = None,
    missing_columns: MissingColumns = "error",
    seed: int = 0,
) -> VideoShards:
    """Open captioned clips as an indexable set of shards, read where they lie.

    Arguments, columns and errors are those of `load_video_dataset`. Parquet files cost a look at their footers, tars a
    pass over their headers, folders what they always cost.
    """
    choice = ColumnChoice(caption_column, tuple(label_columns), audio_column, video_column)
    if is_several(source) or mixing_weights is not None:
        mix: dict[str, Any] = {"weights": mixing_weights, "missing_columns": missing_columns, "seed": seed}
        return mix_shards(_listed(source), split, choice, **mix)
    return open_shards(locate(source, split), split, choice)


def _listed(source: Source | Sequence[Source]) -> list[Source]:
    return [source] if isinstance(source, str | os.PathLike) else list(source)
