"""What was measured before and after a change of the input, as figures and as rows of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from heygen_hf.evaluation import Measurement, Provenance, VideoFeatures, wilson_interval
from heygen_hf.evaluation.clip_stream import read_batches
from heygen_hf.evaluation.clip_stream.batches import Clips
from heygen_hf.evaluation.groups import holm
from heygen_hf.evaluation.measuring import mean_bootstrap_interval
from heygen_hf.evaluation.robustness import LEAST_CERTAIN, paired_fall

DISTANCE = "feature distance"
_BATCH = 32


def features_of(clips: Clips, network: VideoFeatures) -> torch.Tensor:
    """`(clips, features)`."""
    return torch.cat([network(batch.clips) for batch in read_batches(clips, batch_size=_BATCH)])


def fall_figure(
    name: str,
    before: np.ndarray,
    after: np.ndarray,
    *,
    provenance: Provenance,
    details: Mapping[str, Any],
    is_share: bool = True,
    unit: str = "share",
    prompts: Sequence[str] | None = None,
) -> Measurement:
    """The figure after the change, with the one before as its reference, and the fall with its own interval and p.

    Whether the fall is more than chance is for `over_all_comparisons` to say.

    Args:
        prompts: of the videos; those of one prompt are resampled together.
    """
    fall = paired_fall(before, after, prompts=prompts, seed=provenance.seed or 0)
    count = len(after)
    interval = (
        wilson_interval(round(float(after.sum())), count)
        if is_share
        else mean_bootstrap_interval(after, seed=provenance.seed or 0)
    )
    return Measurement(
        name=name,
        value=fall.after,
        count=count,
        reference_count=count,
        reference_value=fall.before,
        higher_is_better=True,
        unit=unit,
        interval=interval,
        provenance=provenance,
        details={
            **details,
            "fall": fall.fall,
            "fall_interval": fall.interval,
            "p_value": fall.p_value,
            "test": fall.test,
            "independent_pairs": fall.num_units,
        },
    )


def over_all_comparisons(figures: Sequence[Measurement]) -> list[Measurement]:
    """The same figures, falls with their p over all falls of the check (Holm) and whether they are more than chance."""
    compared = [place for place, figure in enumerate(figures) if "p_value" in figure.details]
    certain = dict(zip(compared, holm([figures[place].details["p_value"] for place in compared]), strict=True))
    return [
        replace(
            figure,
            details={
                **figure.details,
                "p_value_over_all_comparisons": certain[place],
                "is_more_than_chance": certain[place] < LEAST_CERTAIN,
            },
        )
        if place in certain
        else figure
        for place, figure in enumerate(figures)
    ]


def note_on_falls(figures: Sequence[Measurement]) -> list[str]:
    """What the arrows mean; nothing where no falls were compared."""
    count = sum("p_value" in figure.details for figure in figures)
    if not count:
        return []
    return [
        f"↓ is a fall that is more than chance: p below {LEAST_CERTAIN:g} over all {count} falls of the check (Holm), "
        "each by the exact sign test over the videos that changed, or by flipping signs where figures are no yes "
        "or no and where several videos have one prompt."
    ]


def distance_figure(
    before: torch.Tensor,
    after: torch.Tensor,
    unrelated: float | None,
    *,
    provenance: Provenance,
    details: Mapping[str, Any],
) -> Measurement:
    """How far the videos moved in a network's features.

    Args:
        before, after: `(videos, features)` of the same videos before and after the change.
        unrelated: the mean distance of two videos that have nothing to do with each other.
    """
    distances = (before - after).double().norm(dim=1).numpy()
    value = float(distances.mean())
    return Measurement(
        name=DISTANCE,
        value=value,
        count=len(distances),
        higher_is_better=False,
        interval=mean_bootstrap_interval(distances, seed=provenance.seed or 0),
        provenance=provenance,
        details={
            **details,
            "unrelated": unrelated,
            "relative": value / unrelated if unrelated else None,
            "unchanged": int((distances == 0).sum()),
        },
    )


def unrelated_distance(features: torch.Tensor, names: Sequence[str]) -> float | None:
    """The mean distance between videos of different names (prompts); None where all have one."""
    half = len(names) // 2
    pairs = [(i, (i + half) % len(names)) for i in range(len(names))]
    apart = [(a, b) for a, b in pairs if names[a] != names[b]]
    if not apart:
        return None
    first, second = (features[[pair[side] for pair in apart]].double() for side in (0, 1))
    return float((first - second).norm(dim=1).mean())


def fall_table(figures: Sequence[Measurement], *, by: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings, and a row for each change after one of the figures before: a fall that is more than chance has an
    arrow.

    Args:
        by: the key of `details` with the name of the change.
    """
    names = list(dict.fromkeys(figure.name for figure in figures))
    widest = sorted(figures, key=lambda figure: figure.count)  # some prompts cannot be said otherwise in every way
    before = {figure.name: figure.reference_value for figure in widest}
    kinds: dict[str, dict[str, Measurement]] = {}
    for figure in figures:
        kinds.setdefault(figure.details[by], {})[figure.name] = figure
    most = str(widest[-1].count) if widest else "–"
    rows = [("as it was", *(_before(name, before[name], figures) for name in names), most)]
    for kind, found in kinds.items():
        count = str(next(iter(found.values())).count)
        rows.append((kind, *(_after(found[name]) if name in found else "–" for name in names), count))
    return (by, *names, "videos"), rows


def _before(name: str, value: float | None, figures: Sequence[Measurement]) -> str:
    if name == DISTANCE:
        return "0"
    unit = next(figure.unit for figure in figures if figure.name == name)
    return "–" if value is None else _text(value, unit)


def _after(figure: Measurement) -> str:
    low, high = figure.interval or (figure.value, figure.value)
    if figure.name == DISTANCE:
        relative = figure.details["relative"]
        far = "" if relative is None else f", {relative:.0%} of unrelated"
        return f"{figure.value:.3g} [{low:.3g}, {high:.3g}]{far}"
    arrow = ""
    if figure.details.get("is_more_than_chance"):
        arrow = " ↓" if figure.details["fall"] > 0 else " ↑"
    return f"{_text(figure.value, figure.unit)} [{_text(low, figure.unit)}, {_text(high, figure.unit)}]{arrow}"


def _text(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:.4g}"


def worst_fall(figures: Sequence[Measurement]) -> Measurement | None:
    """The largest fall of a share that is more than chance."""
    falls = [figure for figure in figures if figure.unit == "share" and figure.details.get("is_more_than_chance")]
    falls = [figure for figure in falls if figure.details["fall"] > 0]
    return max(falls, key=lambda figure: figure.details["fall"], default=None)
