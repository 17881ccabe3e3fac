"""What is checked: a run's videos with what they were asked for, or a folder of videos."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from heygen_hf.data.sources import load_video_dataset
from heygen_hf.data.table_lines import read_csv_rows, read_lines
from heygen_hf.evaluation import VideoFiles
from heygen_hf.tasks.clip_data.prepare import open_splits
from heygen_hf.tasks.recipe import Recipe, load_recipe
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.video_metrics.given_videos import given_videos
from heygen_hf.tasks.video_metrics.references import RealClips
from heygen_hf.tasks.video_metrics.run_to_measure import RunToMeasure
from heygen_hf.tasks.video_metrics.run_videos import open_run
from heygen_hf.tasks.video_metrics.source import Source


@dataclass(frozen=True)
class CheckedVideos:
    """Videos, and what is known of each.

    Attributes:
        clips: the files.
        prompts: one each; None where there are none.
        labels: column → a value each, of the columns that were asked for.
        facts: for the record: where they come from and how they were made.
        run: what made them; None of a folder of videos.
        recipe: of the run, where it has one.
    """

    clips: VideoFiles
    prompts: list[str] | None
    labels: dict[str, list[str]]
    facts: dict[str, Any]
    run: RunToMeasure | None = None
    recipe: Recipe | None = None
    own_columns: Sequence[str] = field(default_factory=tuple)


NO_GROUPS = (
    "groups compares videos by columns of their metadata: name some with --groups, such as --groups colour,digit, or "
    "leave groups out"
)


def videos_of_run(source: Source, options: CheckOptions) -> CheckedVideos:
    """Make those of the videos that are not there yet: the same that `--metrics` measures.

    Raises:
        ValueError: see `open_run`; or a column that the clips lack.
    """
    run = open_run(
        source.path,
        [],
        reference=options.reference,
        num_videos=options.num_videos,
        seed=options.seed,
        batch_size=options.batch_size,
        device=options.device,
    )
    recipe = load_recipe(run.folder.recipe) if run.folder.recipe.is_file() else None
    own = list(recipe.data.label_columns) if recipe is not None else []
    labels = _labels_of_run(run, recipe, own, options)
    if "groups" in options.checks and not (options.groups or own):  # known before hours of sampling
        raise ValueError(NO_GROUPS)
    files = run.make_videos(Path(options.videos_dir) if options.videos_dir else run.videos_folder(source.results))
    return CheckedVideos(
        clips=VideoFiles(files),
        prompts=run.prompts(),
        labels=labels,
        facts={"source": source.name, **source.facts, **run.facts()},
        run=run,
        recipe=recipe,
        own_columns=own,
    )


def videos_of_folder(folder: Path, options: CheckOptions) -> CheckedVideos:
    """The videos as they are, with the columns of `metadata.jsonl`.

    Raises:
        ValueError: no videos, or a column that a video lacks.
    """
    clips, prompts = given_videos(folder, num_videos=options.num_videos)
    names = [path.relative_to(folder).as_posix() for path in clips.paths]
    labels = _columns_of(_metadata_rows(folder), names, options.groups or (), where=folder.name)
    facts = {"source": folder.resolve().name, "count": len(clips), "hash": clips.content_hash()}
    return CheckedVideos(clips=clips, prompts=prompts, labels=labels, facts=facts)


def _labels_of_run(
    run: RunToMeasure, recipe: Recipe | None, own: Sequence[str], options: CheckOptions
) -> dict[str, list[str]]:
    """Labels of the clip whose caption each video was made of; none where captions are not those of clips."""
    wanted = list(dict.fromkeys([*own, *(options.groups or ())]))
    if run.real is None or not run.paired:
        if options.groups:
            raise ValueError(
                "--groups names columns of real clips, and the videos' prompts are those of none; pass --reference "
                "FOLDER with captions, or leave it out"
            )
        return {}
    known = run.real.clips.labels
    more = [column for column in wanted if column not in known]
    read: Mapping[str, Mapping[str, Any]] = _rows_of_clips(run.real, recipe, more, options) if more else {}
    rows = [run.real.rows[i % len(run.real.rows)] for i in range(len(run.wanted))]
    names = [run.real.clips.file_names[row] for row in rows]
    found = {column: [str(known[column][row]) for row in rows] for column in wanted if column in known}
    found |= _columns_of(read, names, more, where=run.real.name) if more else {}
    return {column: found[column] for column in wanted}


def _rows_of_clips(
    real: RealClips, recipe: Recipe | None, columns: Sequence[str], options: CheckOptions
) -> dict[str, dict[str, Any]]:
    """File name → its values in columns that the recipe does not name."""
    if options.reference is not None:
        table = load_video_dataset(str(options.reference), split=None, caption_column=None, label_columns=list(columns))
    else:
        assert recipe is not None
        tables = open_splits(replace(recipe.data, label_columns=list(columns)), seed=recipe.seed)
        table = next(tables[split] for split in ("test", "validation", "train") if split in tables)
    held = table.select_columns(["file_name", *columns]).to_dict()
    names = held["file_name"]
    rows = {name: {column: held[column][place] for column in columns} for place, name in enumerate(names)}
    if len(rows) < len(names):
        raise ValueError(f"--groups {columns[0]}: several clips of {real.name} have one file name; rename them")
    return rows


def _metadata_rows(folder: Path) -> dict[str, dict[str, Any]]:
    """File name → row of `metadata.jsonl`, else of `metadata.csv`; a video whose row cannot be read has no values."""
    lines, table = folder / "metadata.jsonl", folder / "metadata.csv"
    rows: dict[str, dict[str, Any]] = {}
    if lines.is_file():
        for line in read_lines(lines):
            try:
                row = json.loads(line)
                rows[str(row["file_name"])] = row
            except (ValueError, KeyError, TypeError):
                continue
    elif table.is_file():
        for row in read_csv_rows(table):
            rows[str(row.get("file_name"))] = dict(row)
    return rows


def _columns_of(
    rows: Mapping[str, Mapping[str, Any]], names: Sequence[str], columns: Sequence[str], *, where: str
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for column in columns:
        missing = next((name for name in names if rows.get(name, {}).get(column) in (None, "")), None)
        if missing is not None:
            there = sorted({key for row in rows.values() for key in row} - {"file_name"})
            raise ValueError(
                f"--groups {column}: {missing} of {where} has no value in it; columns there are "
                f"{', '.join(there) or 'none'}: fill it in, or name another"
            )
        found[column] = [str(rows[name][column]) for name in names]
    return found
