"""Several sources as one data set, with a column that names the source of each row."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

from heygen_hf.data.sources.columns import ColumnChoice, MissingColumnError, make_features, make_info
from heygen_hf.data.sources.locations import Location, Source, locate
from heygen_hf.data.sources.mixture import check_weights, draws_per_epoch, repeat_rows, repeat_shards
from heygen_hf.data.sources.one_source import open_dataset, open_shards
from heygen_hf.data.sources.shards import Shard, VideoShards
from heygen_hf.processing import fold_seed

if TYPE_CHECKING:
    import datasets

MissingColumns = Literal["error", "none"]
Opened = TypeVar("Opened", "datasets.Dataset", VideoShards)


def mix_datasets(
    sources: Sequence[Source],
    split: str | None,
    choice: ColumnChoice,
    *,
    weights: Sequence[float] | None,
    missing_columns: MissingColumns,
    seed: int,
    cache_dir: str | os.PathLike | None = None,
) -> "datasets.Dataset":
    """The sources one after another; with weights, rows of some are there more than once."""
    import datasets
    import numpy as np

    def open_one(location: Location, chosen: ColumnChoice) -> "datasets.Dataset":
        return open_dataset(location, split, chosen, cache_dir=cache_dir)

    names, opened = _open_all(sources, split, choice, missing_columns, open_one)
    columns = _union(names, [dataset.column_names for dataset in opened], choice, missing_columns)
    features = make_features(columns)
    parts, notes = [], list[str]()
    for name, dataset in zip(names, opened, strict=True):
        notes += [f"{name}: {line}" for line in (dataset.info.description or "").splitlines() if line]
        parts.append(_with_columns(dataset, name, features))
    mixed = datasets.concatenate_datasets(parts)
    if weights is not None:
        sizes = [len(part) for part in parts]
        draws = draws_per_epoch(sizes, check_weights(weights, names))
        starts = np.cumsum([0, *sizes[:-1]])
        rows = [
            start + repeat_rows(size, count, seed=fold_seed(seed, place))
            for place, (start, size, count) in enumerate(zip(starts, sizes, draws, strict=True))
        ]
        mixed = mixed.select(np.concatenate(rows))
        notes.append(_describe_draws(names, sizes, draws))
    mixed.info.description = "\n".join(notes)
    return mixed


def mix_shards(
    sources: Sequence[Source],
    split: str | None,
    choice: ColumnChoice,
    *,
    weights: Sequence[float] | None,
    missing_columns: MissingColumns,
    seed: int,
) -> VideoShards:
    """The shards of all sources; with weights, some rows are there more than once."""

    def open_one(location: Location, chosen: ColumnChoice) -> VideoShards:
        return open_shards(location, split, chosen)

    names, opened = _open_all(sources, split, choice, missing_columns, open_one)
    columns = _union(names, [shards.column_names for shards in opened], choice, missing_columns)
    notes = [f"{name}: {line}" for name, shards in zip(names, opened, strict=True) for line in shards.notes]
    by_source: list[list[Shard]] = [
        [replace(shard, source=name) for shard in shards.shards]  # type: ignore[type-var]
        for name, shards in zip(names, opened, strict=True)
    ]
    mixing_weights = None
    if weights is not None:
        shares = check_weights(weights, names)
        sizes = [len(shards) for shards in opened]
        draws = draws_per_epoch(sizes, shares)
        by_source = [
            repeat_shards(shards, count, seed=fold_seed(seed, place))
            for place, (shards, count) in enumerate(zip(by_source, draws, strict=True))
        ]
        notes.append(_describe_draws(names, sizes, draws))
        mixing_weights = dict(zip(names, shares, strict=True))
    all_shards = [shard for shards in by_source for shard in shards]
    return VideoShards(all_shards, columns, notes=notes, mixing_weights=mixing_weights, seed=seed)


def _open_all(
    sources: Sequence[Source],
    split: str | None,
    choice: ColumnChoice,
    missing_columns: MissingColumns,
    open_one: Callable[[Location, ColumnChoice], Opened],
) -> tuple[list[str], list[Opened]]:
    names: list[str] = []
    opened: list[Opened] = []
    for source in sources:
        location, chosen = locate(source, split), choice
        while True:
            try:
                opened.append(open_one(location, chosen))
                break
            except MissingColumnError as error:
                if missing_columns == "error":
                    raise MissingColumnError(
                        f"{error} (or missing_columns='none', for rows without it)",
                        kind=error.kind,
                        column=error.column,
                    ) from None
                chosen = chosen.without(error)
        count = sum(name == location.name or name.startswith(f"{location.name} #") for name in names)
        names.append(location.name if not count else f"{location.name} #{count + 1}")
    return names, opened


def _union(
    names: Sequence[str], columns: Sequence[Sequence[str]], choice: ColumnChoice, missing_columns: MissingColumns
) -> list[str]:
    """The columns of the mixture; sound that only some sources have is a difference, too."""
    has_audio = ["audio" in held for held in columns]
    if any(has_audio) and not all(has_audio) and missing_columns == "error":
        raise ValueError(
            f"{names[has_audio.index(False)]} has no column 'audio' and {names[has_audio.index(True)]} has: give it "
            "sound, or pass missing_columns='none'"
        )
    return choice.names(audio=any(has_audio), source=True)


def _with_columns(dataset: "datasets.Dataset", name: str, features: "datasets.Features") -> "datasets.Dataset":
    """A data set with all columns of the mixture, in their order."""
    import datasets
    import pyarrow as pa
    from datasets.table import InMemoryTable, concat_tables

    missing = [column for column in features if column not in dataset.column_names]
    schema = datasets.Features({column: features[column] for column in missing}).arrow_schema
    values = {column: name if column == "source" else None for column in missing}
    added = pa.Table.from_arrays(
        [pa.repeat(pa.scalar(values[field.name], field.type), len(dataset)) for field in schema], schema=schema
    )
    table = concat_tables([dataset.data, InMemoryTable(added)], axis=1)
    held = datasets.Dataset(table, info=make_info(datasets.Features({**dataset.features, **features}), []))
    return held.select_columns(list(features))


def _describe_draws(names: Sequence[str], sizes: Sequence[int], draws: Sequence[int]) -> str:
    total = sum(draws)
    parts = [
        f"{name} {count / total:.1%} ({size} rows, each drawn {count / size:.3g} times)"
        for name, size, count in zip(names, sizes, draws, strict=True)
    ]
    return f"an epoch draws {total} rows: {'; '.join(parts)}"
