"""Figures of single videos, clips or texts compared by group: the worst group of each column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from heygen_hf.evaluation import Measurement, Provenance
from heygen_hf.evaluation.groups import GroupComparison, compare_groups, holm
from heygen_hf.tasks.responsible_checks.document import Check

TITLE = "Worst groups (95 % intervals)"
COLUMNS = ("figure", "groups", "all", "worst group", "its figure", "count", "gap", "p", "real clips")
_CONVENTION = (
    "mean over the worst group's clips; gap to the mean over all clips; p by shuffling clips (whole prompts where each "
    "lies in one group) among the groups of a column, for the largest of the gaps in their own deviations (max-T), and "
    "over all comparisons of the check by Holm's method"
)
_LEAST_CERTAIN = 0.05


@dataclass(frozen=True, kw_only=True)
class FigurePerVideo:
    """One figure of each video (or text), and the same of real clips where there is one.

    Attributes:
        values: one a video.
        real_values, real_labels: of real clips, and column → their values.
    """

    name: str
    values: np.ndarray
    is_share: bool = False
    unit: str = ""
    higher_is_better: bool | None = True
    features: Mapping[str, Any] | None = None
    real_values: np.ndarray | None = None
    real_labels: Mapping[str, Sequence[str]] | None = None


def compare(
    figures: Sequence[FigurePerVideo],
    labels: Mapping[str, Sequence[str]],
    *,
    subject: Mapping[str, Any],
    prompts: Sequence[str] | None = None,
    seed: int = 0,
    counted: str = "videos",
) -> Check:
    """Every figure by the groups of every column.

    Args:
        labels: column → a value for each video.
        counted: what there is one figure of.
    """
    again = [
        f"{figure.name} ({other.name})"
        for place, figure in enumerate(figures)
        for other in figures[:place]
        if np.array_equal(figure.values, other.values) and np.ptp(figure.values) > 0
    ]
    figures = [
        figure
        for place, figure in enumerate(figures)
        if not any(np.array_equal(figure.values, other.values) for other in figures[:place])
        or np.ptp(figure.values) == 0
    ]
    found: list[tuple[FigurePerVideo, str, GroupComparison]] = [
        (
            figure,
            column,
            compare_groups(
                figure.values,
                values,
                is_share=figure.is_share,
                higher_is_better=figure.higher_is_better,
                prompts=prompts,
                seed=seed,
            ),
        )
        for figure in figures
        for column, values in labels.items()
        if np.ptp(figure.values) > 0
    ]
    alike = [f"{figure.name} ({figure.values[0]:g})" for figure in figures if np.ptp(figure.values) == 0]
    compared = [each for each in found if each[2].worst is not None]
    of_worst = holm([each[2].worst.p_value for each in compared])  # type: ignore[union-attr,misc]
    of_surest = holm([each[2].surest.p_value for each in compared])  # type: ignore[union-attr,misc]
    measurements = [
        _measurement(*each, certain=certain, surest_certain=surest, seed=seed)
        for each, certain, surest in zip(compared, of_worst, of_surest, strict=True)
    ]
    left_out = [f"{column} ({figure.name})" for figure, column, each in found if each.worst is None]
    notes = []
    if compared:
        notes.append(
            f"p is the probability of such a gap where {counted} fall into groups by chance, over all groups of a "
            f"column; “more than chance” is below {_LEAST_CERTAIN:g} over all {len(compared)} comparisons (Holm)."
        )
    if again:
        notes.append(f"The same as another figure for each of the {counted}, so left out: {', '.join(again)}.")
    if alike:
        notes.append(f"The same for all {counted}, so there is nothing to compare: {', '.join(alike)}.")
    if left_out:
        notes.append(f"Fewer than two groups with at least 5 {counted}, so not compared: {', '.join(left_out)}.")
    notes += [note for figure in measurements if (note := _note_on_surest(figure))]
    beside_real = any(figure.reference_value is not None for figure in measurements)
    if beside_real:
        notes.append("Real clips: the same group of held-out clips, the most that the judges let a model reach.")
    return Check(
        name="groups",
        title=TITLE,
        summary=_summary(measurements, alike),
        columns=COLUMNS if beside_real else COLUMNS[:-1],
        rows=[_row(figure) if beside_real else _row(figure)[:-1] for figure in measurements],
        figures=measurements,
        notes=notes,
        subject=subject,
    )


def _measurement(
    figure: FigurePerVideo,
    column: str,
    comparison: GroupComparison,
    *,
    certain: float,
    surest_certain: float,
    seed: int,
) -> Measurement:
    worst, surest = comparison.worst, comparison.surest
    assert worst is not None
    assert surest is not None
    same = None
    if figure.real_values is not None and figure.real_labels is not None and column in figure.real_labels:
        places = [str(value) == worst.group for value in figure.real_labels[column]]
        same = figure.real_values[places] if any(places) else None
    return Measurement(
        name=figure.name,
        value=worst.value,
        count=worst.count,
        reference_count=None if same is None else len(same),
        reference_value=None if same is None else float(same.mean()),
        higher_is_better=figure.higher_is_better,
        unit=figure.unit,
        interval=worst.interval,
        provenance=Provenance(
            convention=_CONVENTION,
            features=figure.features,
            seed=seed,
            num_resamples=comparison.num_permutations,
            confidence=0.95,
            options={"shuffled": comparison.units, "min_group_count": 5},
        ),
        details={
            "group_column": column,
            "group": worst.group,
            "gap": worst.gap,
            "p_value": worst.p_value,
            "p_value_over_all_comparisons": certain,
            "is_more_than_chance": certain < _LEAST_CERTAIN,
            "surest": {"group": surest.group, "p_value_over_all_comparisons": surest_certain},
            "all": {"value": comparison.value, "count": comparison.count, "interval": comparison.interval},
            "groups": [
                {
                    "group": each.group,
                    "value": each.value,
                    "count": each.count,
                    "interval": each.interval,
                    "gap": each.gap,
                    "p_value": each.p_value,
                }
                for each in comparison.groups
            ],
        },
    )


def _note_on_surest(figure: Measurement) -> str | None:
    """Where a group other than the worst is worse off with less doubt."""
    surest, column = figure.details["surest"], figure.details["group_column"]
    if surest["group"] == figure.details["group"] or surest["p_value_over_all_comparisons"] >= _LEAST_CERTAIN:
        return None
    group = next(each for each in figure.details["groups"] if each["group"] == surest["group"])
    return (
        f"{figure.name} by {column}: less in doubt than the worst group is {surest['group']}, "
        f"{_text(group['value'], figure)} over {group['count']} (p {group['p_value']:.2g})."
    )


def _text(value: float, figure: Measurement) -> str:
    return f"{value:.1%}" if figure.unit == "share" else f"{value:.4g}"


def _row(figure: Measurement) -> tuple[str, ...]:
    details = figure.details

    def text(value: float) -> str:
        return _text(value, figure)

    low, high = figure.interval or (figure.value, figure.value)
    sure = "more than chance" if details["is_more_than_chance"] else "may be chance"
    return (
        figure.name,
        f"{details['group_column']} ({len(details['groups'])})",
        text(details["all"]["value"]),
        str(details["group"]),
        f"{text(figure.value)} [{text(low)}, {text(high)}]",
        str(figure.count),
        text(details["gap"]),
        f"{details['p_value']:.2g}, {sure}",
        "–" if figure.reference_value is None else text(figure.reference_value),
    )


def _summary(figures: Sequence[Measurement], alike: Sequence[str]) -> str:
    if not figures and alike:
        return f"There is no difference between groups: {', '.join(alike)} is the same for all."
    if not figures:
        return "No column has two groups that are large enough to be compared."
    certain = [figure for figure in figures if figure.details["is_more_than_chance"]]
    if not certain:
        return f"In none of {len(figures)} comparisons is the worst group worse than chance would make it."
    worst = min(certain, key=lambda figure: figure.details["p_value"])
    row = _row(worst)
    return (
        f"In {len(certain)} of {len(figures)} comparisons the worst group is worse than chance would make it; surest: "
        f"{worst.details['group_column']} {worst.details['group']}, {worst.name} {row[4]} over {worst.count}, and "
        f"{row[2]} over all."
    )
