"""Figures at each severity of each corruption, beside the clean one."""

from collections.abc import Sequence

from heygen_hf.evaluation import Measurement
from heygen_hf.evaluation.robustness import SEVERITIES
from heygen_hf.tasks.responsible_checks.falls import DISTANCE

TITLE = "Worse inputs (95 % intervals)"
COLUMNS = ("input", "figure", "clean", *(f"severity {severity}" for severity in SEVERITIES), "count")


def severity_rows(figures: Sequence[Measurement]) -> list[tuple[str, ...]]:
    """A row for each corruption and figure."""
    cells: dict[tuple[str, str], dict[int, Measurement]] = {}
    for figure in figures:
        key = (figure.details["corruption"], _name(figure))
        cells.setdefault(key, {})[figure.details["severity"]] = figure
    rows = []
    for (corruption, name), at in cells.items():
        first = next(iter(at.values()))
        clean = "0" if first.name == DISTANCE else _text(first.reference_value, first)
        worse = [
            _with_interval(at[severity]) + _arrow(at[severity]) if severity in at else "–" for severity in SEVERITIES
        ]
        rows.append((corruption, name, clean, *worse, str(first.count)))
    return rows


def severity_summary(figures: Sequence[Measurement], *, what: str) -> str:
    """The largest fall, of figures of which more is better and that have a clean one beside them.

    Falls of pairs must be more than chance over all of them. Figures without pairs are held against their own interval,
    and the summary says so.
    """
    falls = [
        (figure.reference_value - figure.value, figure)
        for figure in figures
        if figure.reference_value is not None and figure.higher_is_better and figure.unit in ("share", "correlation")
    ]
    sure = [each for each in falls if each[0] > 0 and _is_sure(each[1])]
    unpaired = any("is_more_than_chance" not in figure.details for _, figure in falls)
    if not sure:
        if not falls:
            return f"How far {what} moves is in the table; no accuracy is measured of it."
        limit = "its interval (clips are not paired)" if unpaired else "chance would make it"
        return f"No figure falls by more than {limit} when {what} gets worse."
    _, worst = max(sure, key=lambda each: each[0])
    of = f"{worst.details['corruption']} of severity {worst.details['severity']}"
    return (
        f"When {what} gets worse, the largest fall is by {of}: {_name(worst)} from "
        f"{_text(worst.reference_value, worst)} to {_with_interval(worst)}{_certainty(worst)}."
    )


def _is_sure(figure: Measurement) -> bool:
    if "is_more_than_chance" in figure.details:
        return bool(figure.details["is_more_than_chance"])
    clean = figure.reference_value
    return figure.interval is not None and clean is not None and figure.interval[1] < clean


def _certainty(figure: Measurement) -> str:
    if "is_more_than_chance" in figure.details:
        return f", p {figure.details['p_value_over_all_comparisons']:.2g} over all falls"
    return (
        "; clips are not paired: the clean figure lies above this one's interval, which no test over all rows confirms"
    )


def _arrow(figure: Measurement) -> str:
    if not figure.details.get("is_more_than_chance"):
        return ""
    return " ↓" if figure.details["fall"] > 0 else " ↑"


def _name(figure: Measurement) -> str:
    group = figure.details.get("group")
    return f"{figure.name}, {group}" if group else figure.name


def _text(value: float | None, figure: Measurement) -> str:
    if value is None:
        return "–"
    return f"{value:.1%}" if figure.unit == "share" else f"{value:.3g}"


def _with_interval(figure: Measurement) -> str:
    if figure.interval is None:
        return _text(figure.value, figure)
    low, high = (_text(bound, figure) for bound in figure.interval)
    return f"{_text(figure.value, figure)} [{low}, {high}]"
