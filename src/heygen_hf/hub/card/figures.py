"""Measured figures: one each, and those in the JSON files that lie beside a card."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class MetricResult:
    """One measured figure.

    Attributes:
        name: what was measured, such as "colour accuracy".
        value: the figure; None if it could not be measured.
        count: how many videos (or clips) it was measured on.
        interval: its 95 % interval.
        group: which of them, such as "unseen combinations".
        ceiling: the same measure on real clips, the most that can be expected.
        noise_floor: the same measure between two parts of the real clips: what no difference looks like.
        higher_is_better: None where neither is, or where the name says it.
        unit: "share" (shown as a percentage), or a unit such as "dB"; "" for a bare number.
        metric_type: the metric's identifier on the Hub.
        note: anything a reader must know to read the figure.
        is_baseline: of something else on the same data, to compare with: in the card's table, not among the model's
            results in its header.
        is_below_minimum: of fewer videos than such a figure needs: in the table with a note, not in the header.
        source: the JSON file that holds it, beside the card; by default the card's `metrics_file`.
        provenance: all that it depends on, for the card's header.
    """

    name: str
    value: float | None
    count: int | None = None
    interval: tuple[float, float] | None = None
    group: str | None = None
    ceiling: float | None = None
    noise_floor: float | None = None
    higher_is_better: bool | None = None
    unit: str = "share"
    metric_type: str = "accuracy"
    note: str | None = None
    is_baseline: bool = False
    is_below_minimum: bool = False
    source: str | None = None
    provenance: Mapping[str, Any] | None = None


def attribute_metrics(
    generated: Mapping[str, Any],
    real: Mapping[str, Any] | None = None,
    *,
    group_names: Mapping[str, str] | None = None,
) -> list[MetricResult]:
    """Figures for a card from the dictionaries that `attribute_accuracy` gives.

    Args:
        generated: measured on generated videos.
        real: the same, measured on real clips.
        group_names: a readable name for each group, such as `{"unseen": "unseen combinations"}`.
    """
    group_names = group_names or {}
    groups: list[str | None] = [*generated["groups"]] or [None]
    results = []
    for group in groups:
        measured = generated if group is None else generated["groups"][group]
        ceiling = real if group is None or real is None else real["groups"].get(group)
        for name, figure in _figures(measured).items():
            best = _figures(ceiling).get(name) if ceiling else None
            results.append(
                MetricResult(
                    name=name,
                    value=figure["accuracy"],
                    count=figure["count"],
                    interval=tuple(figure["interval"]),
                    group=None if group is None else group_names.get(group, group),
                    ceiling=best["accuracy"] if best else None,
                    note=_worst(figure.get("worst_value")),
                )
            )
    return results


def _figures(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    columns = {f"{column} accuracy": figure for column, figure in report["columns"].items()}
    return {**columns, "all columns correct": report["all_columns_correct"]}


def _worst(figure: Mapping[str, Any] | None) -> str | None:
    if not figure or figure["accuracy"] == 1:
        return None
    return f"worst: {figure['value']}, {figure['correct']} of {figure['count']}"
