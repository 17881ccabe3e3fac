"""The figures as a table and as a file."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from heygen_hf.evaluation import METRICS, Measurement
from heygen_hf.tasks.run_folder import write_json

_LONGEST_NAME = 80


def print_figures(figures: Mapping[str, Measurement]) -> None:
    """A row a metric: the figure, its 95 % interval, of how many clips, what real clips get; notes below."""
    table = Table(title="Metrics (95 % intervals)")
    table.add_column("metric", no_wrap=True)
    for heading in ("value", "interval", "clips", "noise floor", "real clips"):
        table.add_column(heading)
    for name, figure in figures.items():
        interval = None if figure.interval is None else f"[{figure.interval[0]:.4g}, {figure.interval[1]:.4g}]"
        beside = "" if figure.reference_count is None else f" / {figure.reference_count}"
        table.add_row(
            name + {True: " ↑", False: " ↓", None: ""}[figure.higher_is_better],
            f"{figure.value:.4g}" + (f" {figure.unit}" if figure.unit == "dB" else ""),
            interval or "–",
            f"{figure.count}{beside}",
            _number(figure.noise_floor),
            _number(figure.reference_value),
        )
    console = Console()
    console.print(table)
    for note in _notes(figures):
        console.print(note, highlight=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _notes(figures: Mapping[str, Measurement]) -> list[str]:
    """What must be known to read the figures, those that say the same together."""
    names: dict[str, list[str]] = {}
    for name, figure in figures.items():
        if figure.below_minimum:
            names.setdefault(f"below the minimum count ({figure.minimum_count}): it means little", []).append(name)
        if figure.note:
            names.setdefault(figure.note, []).append(name)
    return [f"{', '.join(those)}: {note}" for note, those in names.items()]


def default_file(
    folder: Path,
    metrics: Sequence[str],
    *,
    num_videos: int,
    seed: int,
    reference: str | None = None,
    features: Sequence[str] = (),
    of: Literal["metrics", "checkpoints"] = "metrics",
) -> Path:
    """`metrics_<names>_<videos>_videos_seed_<seed>.json`: figures of another kind do not overwrite these.

    Args:
        reference: the hash of other real clips than the run's own.
        features: of the networks that were asked for; of both the name has a hash at its end.
    """
    names = "-".join(sorted(metrics))
    if len(names) > _LONGEST_NAME:
        all_of_them = set(metrics) == set(METRICS)
        names = "all" if all_of_them else f"{len(metrics)}-{_short_hash(names)}"
    asked = "" if reference is None and not features else "_" + _short_hash(repr([reference, sorted(features)]))
    return folder / f"{of}_{names}_{num_videos}_videos_seed_{seed}{asked}.json"


def _short_hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=4).hexdigest()


def write_figures(path: Path, figures: Mapping[str, Measurement], facts: Mapping[str, Any]) -> None:
    """All figures with where each comes from, and of which videos and references they are; all at once."""
    write_json(path, {**facts, "metrics": {name: figure.to_dict() for name, figure in figures.items()}})
