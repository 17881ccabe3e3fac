"""The judges' figures as a table."""

from typing import Any

from rich.console import Console
from rich.table import Table

from heygen_hf.tasks.text_to_video.evaluation_prompts import SEEN, UNSEEN


def print_table(metrics: dict[str, Any]) -> None:
    """Accuracy per label column and group, with its interval, generated beside real."""
    table = Table(title="Does the video show what the caption says? (95 % intervals)")
    for heading in ("label", "group", "generated", "count", "real clips (ceiling)", "count"):
        table.add_column(heading)
    for group in (UNSEEN, SEEN):
        generated = _figures(metrics["attribute_accuracy"], group)
        real = _figures(metrics["attribute_accuracy_real"], group)
        for label, figure in generated.items():
            table.add_row(label, group, *_cells(figure), *_cells(real.get(label)))
    Console().print(table)


def _figures(report: dict[str, Any], group: str) -> dict[str, dict[str, Any]]:
    """Label column (and "all correct") → figure, for one group; empty when nothing fell into it."""
    figures = report["groups"].get(group)
    return {} if figures is None else {**figures["columns"], "all correct": figures["all_columns_correct"]}


def _cells(figure: dict[str, Any] | None) -> tuple[str, str]:
    if figure is None:
        return "–", "0"
    low, high = figure["interval"]
    return f"{figure['accuracy']:.1%} [{low:.1%}, {high:.1%}]", str(figure["count"])
