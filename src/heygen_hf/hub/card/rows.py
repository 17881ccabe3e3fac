"""Facts as the cells of a card's tables: every foreign text escaped, every number in one way."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from heygen_hf.hub.card.checks import CardCheck
from heygen_hf.hub.card.facts import CardFacts, DataSplit
from heygen_hf.hub.card.figures import MetricResult
from heygen_hf.hub.card.header import UNKNOWN
from heygen_hf.hub.card.paths import code_span, link_target, relative_path
from heygen_hf.hub.card.privacy import scrub_line
from heygen_hf.hub.card.text import escape_line

NONE = "–"
_MOST_REASONS = 30
_MOST_NAMES = 3


def safe(text: object, max_characters: int = 300) -> str:
    """A foreign text as Markdown that shows just this text."""
    shown = "" if text is None else scrub_line(str(text), max_characters=max_characters)
    return escape_line(shown) or UNKNOWN


def pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values."""
    return [(safe(name), safe(value)) for name, value in values.items()]


def number(value: float | None) -> str:
    """A count with its thousands apart."""
    return UNKNOWN if value is None else f"{value:,}"


def metric_tables(facts: CardFacts) -> list[dict[str, Any]]:
    """A table for each file that holds figures; columns that no figure fills are left out."""
    by_source: dict[str | None, list[MetricResult]] = defaultdict(list)
    for metric in facts.metrics:
        by_source[metric.source or facts.metrics_file].append(metric)
    tables = []
    for source, metrics in by_source.items():
        filled = {name for name, given in _OPTIONAL.items() if any(given(metric) is not None for metric in metrics)}
        cells = [_metric_row(metric) for metric in metrics]
        headings = [name for name in cells[0] if name in filled or name not in _OPTIONAL]
        tables.append(
            {
                "headings": headings,
                "rows": [[row[name] for name in headings] for row in cells],
                "source": None if source is None else code_span(relative_path(source)),
                "story": safe(facts.stories[source], 600) if source in facts.stories else None,
            }
        )
    return tables


_ARROWS = {True: " ↑", False: " ↓", None: ""}
_OPTIONAL: dict[str, Callable[[MetricResult], object]] = {
    "real clips": lambda metric: metric.ceiling,
    "noise floor": lambda metric: metric.noise_floor,
    "note": lambda metric: metric.note or None,
}


def _metric_row(metric: MetricResult) -> dict[str, str]:
    beside = {"real clips": metric.ceiling, "noise floor": metric.noise_floor}
    interval = NONE
    if metric.interval and metric.value is not None:
        interval = " to ".join(figure(bound, metric.unit) for bound in metric.interval)
    return {
        "measure": safe(metric.name) + _ARROWS[metric.higher_is_better],
        "group": safe(metric.group) if metric.group else "all",
        "value": "not measured" if metric.value is None else figure(metric.value, metric.unit),
        "95 % interval": interval,
        "count": number(metric.count),
        **{name: NONE if value is None else figure(value, metric.unit) for name, value in beside.items()},
        "note": safe(metric.note) if metric.note else NONE,
    }


def figure(value: float, unit: str) -> str:
    """A measured figure: a share as a percentage, anything else to four digits with its unit."""
    if not math.isfinite(value):
        return "not a number"
    return f"{value:.1%}" if unit == "share" else f"{value:.4g} {escape_line(scrub_line(unit))}".rstrip()


def check_rows(check: CardCheck) -> dict[str, Any]:
    """One check as the template shows it."""
    return {
        "title": safe(check.title),
        "summary": safe(check.summary, 1000) if check.summary else None,
        "headings": [safe(name) for name in check.columns],
        "rows": [[safe(cell) for cell in row] for row in check.rows],
        "notes": [safe(note, 1000) for note in check.notes],
        "files": [link_target(name) for name in check.files],
        "source": code_span(relative_path(check.source)),
    }


def split_rows(splits: Sequence[DataSplit]) -> list[list[str]]:
    """The fate of each split's clips: name, found, used, set apart, filled up, skipped."""
    return [
        [
            safe(split.name),
            number(split.found),
            number(split.used),
            number(split.set_apart),
            number(split.padded),
            number(None if split.skipped is None else len(split.skipped)),
        ]
        for split in splits
    ]


def reason_rows(splits: Sequence[DataSplit]) -> list[list[str]]:
    """Why clips were skipped: split, reason, count, some names; the commonest reason first."""
    rows = []
    for split in splits:
        names: dict[str, list[str]] = defaultdict(list)
        for name, reason in split.skipped or ():
            names[safe(reason)].append(name)
        for reason, those in sorted(names.items(), key=lambda pair: -len(pair[1])):
            rows.append([safe(split.name), reason, f"{len(those):,}", _some(those)])
    rest = rows[_MOST_REASONS:]
    if rest:
        count = sum(int(row[2].replace(",", "")) for row in rest)
        rows[_MOST_REASONS:] = [["all", f"{len(rest):,} more reasons", f"{count:,}", NONE]]
    return rows


def replaced_rows(replaced: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Clips that could not be read while training: reason, count, some names."""
    return [row[1:] for row in reason_rows([DataSplit(name="train", used=0, skipped=replaced)])]


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(safe(name, 100) for name in names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def training_rows(facts: CardFacts) -> list[tuple[str, str]]:
    """Steps, time, energy and the commit."""
    time = UNKNOWN if facts.training_seconds is None else duration(facts.training_seconds)
    if facts.training_seconds is None and facts.seconds_since_resumed is not None:
        time = f"{UNKNOWN} as a whole; {duration(facts.seconds_since_resumed)} since it was resumed at step "
        time += number(facts.resumed_at_step)
    energy = UNKNOWN
    if facts.energy_kilowatt_hours is not None:
        of = f" ({safe(facts.energy_of)})" if facts.energy_of else ""
        energy = f"{facts.energy_kilowatt_hours:.4g} kWh{of}"
    commit = UNKNOWN
    if facts.commit and all(character in "0123456789abcdef" for character in facts.commit):
        modified = " and changes that were not committed" if facts.commit_is_modified else ""
        commit = f"{facts.commit[:12]}{modified}"
    return [
        ("optimiser steps", number(facts.steps)),
        ("samples seen", number(facts.samples_seen)),
        ("training time", time),
        ("energy", energy),
        ("commit of heygen\\_hf", commit),
        *(pairs(facts.hardware) or [("hardware", UNKNOWN)]),
    ]


def duration(seconds: float) -> str:
    """Such as "1 h 5 min", with no more digits than a reader wants."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def parameters(count: int) -> str:
    """A count of parameters, such as "2.75 million"."""
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count:,}"
