"""Measured figures: made, printed, written."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from heygen_hf.evaluation import wilson_interval
from heygen_hf.hub import MetricResult
from heygen_hf.tasks.run_folder import write_json


def share_figure(
    name: str,
    correct: int,
    count: int,
    *,
    group: str | None = None,
    note: str | None = None,
    metric_type: str = "accuracy",
    is_baseline: bool = False,
) -> MetricResult:
    """`correct` of `count` with Wilson's 95 % interval; not measured where there was nothing to count."""
    if not count:
        return MetricResult(
            name=name,
            value=None,
            count=0,
            group=group,
            note=note,
            metric_type=metric_type,
            is_baseline=is_baseline,
        )
    interval = wilson_interval(correct, count)
    return MetricResult(
        name=name,
        value=correct / count,
        count=count,
        interval=interval,
        group=group,
        note=note,
        metric_type=metric_type,
        is_baseline=is_baseline,
    )


def write_figures(path: Path, figures: list[MetricResult], **others: Any) -> dict[str, Any]:
    """Write them with what else is to be known of the run, and print them; what was written."""
    metrics = {"figures": figures_to_json(figures), **others}
    write_json(path, metrics)
    print_figures(figures)
    return metrics


def print_figures(figures: list[MetricResult]) -> None:
    """One row a figure."""
    table = Table("measure", "group", "value [95 % interval]", "count", "note")
    for figure in figures:
        table.add_row(
            figure.name,
            figure.group or "all",
            _text(figure),
            f"{figure.count or 0:,}",
            figure.note or "",
            end_section=False,
        )
    Console().print(table)


def figures_to_json(figures: list[MetricResult]) -> list[dict[str, Any]]:
    """What `metrics.json` holds."""
    return [
        {name: value for name, value in asdict(figure).items() if value is not None and value is not False}
        for figure in figures
    ]


def figures_from_json(entries: list[dict[str, Any]]) -> list[MetricResult]:
    """The reverse of `figures_to_json`."""
    return [
        MetricResult(**{"value": None, **entry, "interval": tuple(entry["interval"]) if "interval" in entry else None})
        for entry in entries
    ]


def _text(figure: MetricResult) -> str:
    if figure.value is None:
        return "not measured"
    bounds = (
        ""
        if figure.interval is None
        else f" [{_number(figure.interval[0], figure)}, {_number(figure.interval[1], figure)}]"
    )
    return _number(figure.value, figure) + bounds


def _number(value: float, figure: MetricResult) -> str:
    return f"{value:.1%}" if figure.unit == "share" else f"{value:.4g} {figure.unit}".rstrip()
