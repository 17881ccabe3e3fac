"""A figure a clip, by group: the worst group, its gap to the mean of all clips, and what chance alone would make."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from heygen_hf.evaluation.intervals import wilson_interval
from heygen_hf.evaluation.measuring import mean_bootstrap_interval

NUM_PERMUTATIONS = 10_000
_LARGEST_SHUFFLE = 200_000_000  # numbers shuffled in all: many clips get fewer permutations, at least 1,000
_CHUNK = 4_000_000


@dataclass(frozen=True, kw_only=True)
class GroupFigure:
    """One group.

    Attributes:
        group: its name.
        value: the mean of its clips' figures.
        count: its clips.
        interval: of the mean; None of fewer than two clips that are not counted as shares.
        gap: how much worse it is than the mean of all clips, negative where it is better.
        p_value: how often a group is as far off where clips fall into groups by chance, all groups of the comparison
            taken together; None where it has too few clips to be compared.
    """

    group: str
    value: float
    count: int
    interval: tuple[float, float] | None
    gap: float
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class GroupComparison:
    """All groups of one column.

    Attributes:
        value, count, interval: of all clips.
        groups: the worst first, then those with too few clips.
        num_permutations: behind the p-values.
        units: what was shuffled, "clips" or "prompts".
    """

    value: float
    count: int
    interval: tuple[float, float] | None
    groups: tuple[GroupFigure, ...]
    num_permutations: int
    units: str

    @property
    def worst(self) -> GroupFigure | None:
        """None where fewer than two groups have enough clips."""
        compared = [group for group in self.groups if group.p_value is not None]
        return compared[0] if len(compared) > 1 else None

    @property
    def surest(self) -> GroupFigure | None:
        """The group that is worse off with the least doubt: a large group may be so by less than the worst."""
        compared = [group for group in self.groups if group.p_value is not None]
        return min(compared, key=lambda group: group.p_value or 0.0) if len(compared) > 1 else None


def compare_groups(
    values: Sequence[float] | np.ndarray,
    groups: Sequence[Hashable],
    *,
    is_share: bool = False,
    higher_is_better: bool | None = True,
    prompts: Sequence[Hashable] | None = None,
    min_group_count: int = 5,
    num_permutations: int = NUM_PERMUTATIONS,
    confidence: float = 0.95,
    seed: int = 0,
) -> GroupComparison:
    """Compare groups of clips by a figure that each clip has.

    The test shuffles which clip belongs to which group. A group's gap is measured in its own standard deviations under
    shuffling, and counts as more than chance where the worst gap of all groups is seldom as large: the p-values hold
    for all groups of this comparison at once (Westfall and Young 1993, "max-T").

    Args:
        values: a figure for each clip; zeros and ones where `is_share`.
        groups: the group of each clip; compared as text.
        is_share: intervals of groups are Wilson's; else bootstrapped over clips.
        higher_is_better: None where neither is: the gap is then the distance from the mean, either way.
        prompts: of each clip. Clips of one prompt tend to succeed or fail together, so whole prompts are shuffled where
            each lies in one group; else single clips.
        min_group_count: smaller groups are shown, and not compared.
        seed: of shuffling and bootstrap.

    Raises:
        ValueError: no clips, not one group a clip, or a figure that is not finite.

    Example:
        >>> compare_groups([1, 1, 1, 1, 0, 0], ["a", "a", "a", "b", "b", "b"], min_group_count=2).worst.group
        'b'
    """
    figures = np.asarray(values, dtype=np.float64)
    if figures.ndim != 1 or not len(figures) or len(figures) != len(groups):
        raise ValueError(f"{figures.shape} figures and {len(groups)} groups; expected one of each a clip")
    if not np.isfinite(figures).all():
        worst = int((~np.isfinite(figures)).argmax())
        raise ValueError(f"the figure of clip {worst} is not finite; leave the clip out")
    if is_share and not np.isin(figures, (0, 1)).all():
        raise ValueError("is_share is for figures that are 0 or 1; leave it out for others")
    names, places = np.unique([str(group) for group in groups], return_inverse=True)
    counts = np.bincount(places, minlength=len(names))
    means = np.bincount(places, weights=figures, minlength=len(names)) / counts
    mean = float(figures.mean())
    gaps = _gaps(means, mean, higher_is_better)
    compared = counts >= min_group_count
    p_values, used, units = np.ones(len(names)), 0, "clips"
    if compared.sum() > 1:
        unit_of_clip, units = _units(places, prompts)
        used = max(1, min(num_permutations, max(1000, _LARGEST_SHUFFLE // (int(unit_of_clip.max()) + 1))))
        p_values = _p_values(figures, places, unit_of_clip, gaps, compared, higher_is_better, used, seed)

    def interval(of: np.ndarray) -> tuple[float, float] | None:
        if is_share:
            return wilson_interval(int(of.sum()), len(of), confidence)
        return mean_bootstrap_interval(of, confidence=confidence, seed=seed)

    found = [
        GroupFigure(
            group=str(name),
            value=float(means[place]),
            count=int(counts[place]),
            interval=interval(figures[places == place]),
            gap=float(gaps[place]),
            p_value=float(p_values[place]) if compared[place] and compared.sum() > 1 else None,
        )
        for place, name in enumerate(names)
    ]
    # of equal gaps that of more clips is the firmer evidence
    found.sort(key=lambda group: (group.p_value is None, -group.gap, -group.count, group.group))
    return GroupComparison(
        value=mean,
        count=len(figures),
        interval=interval(figures),
        groups=tuple(found),
        num_permutations=used,
        units=units,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several comparisons, so that they hold for all at once (Holm 1979)."""
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def _gaps(means: np.ndarray, mean: float, higher_is_better: bool | None) -> np.ndarray:
    if higher_is_better is None:
        return np.abs(means - mean)
    return mean - means if higher_is_better else means - mean


def _units(places: np.ndarray, prompts: Sequence[Hashable] | None) -> tuple[np.ndarray, str]:
    """Number of the unit of each clip: its prompt's, where no prompt lies in two groups and some have several clips."""
    alone = np.arange(len(places))
    if prompts is None:
        return alone, "clips"
    numbers = np.unique([str(prompt) for prompt in prompts], return_inverse=True)[1]
    groups_of_prompt = {(int(number), int(place)) for number, place in zip(numbers, places, strict=True)}
    num_prompts = int(numbers.max()) + 1
    if len(groups_of_prompt) > num_prompts or num_prompts == len(places):
        return alone, "clips"
    return numbers, "prompts"


def _p_values(
    figures: np.ndarray,
    places: np.ndarray,
    unit_of_clip: np.ndarray,
    gaps: np.ndarray,
    compared: np.ndarray,
    higher_is_better: bool | None,
    num_permutations: int,
    seed: int,
) -> np.ndarray:
    num_units = int(unit_of_clip.max()) + 1
    sums = np.bincount(unit_of_clip, weights=figures, minlength=num_units)
    sizes = np.bincount(unit_of_clip, minlength=num_units).astype(np.float64)
    place_of_unit = np.zeros(num_units, dtype=np.int64)
    place_of_unit[unit_of_clip] = places
    member = (place_of_unit[:, None] == np.flatnonzero(compared)[None]).astype(np.float64)  # (units, compared groups)
    generator = np.random.default_rng(seed)
    shuffled = np.empty((num_permutations, member.shape[1]))
    step = max(1, _CHUNK // num_units)
    for start in range(0, num_permutations, step):
        rows = min(step, num_permutations - start)
        orders = generator.permuted(np.tile(np.arange(num_units), (rows, 1)), axis=1)
        means = (sums[orders] @ member) / (sizes[orders] @ member)
        shuffled[start : start + rows] = _gaps(means, float(figures.mean()), higher_is_better)
    # a small group strays further by chance: each is measured by how far it strays
    scale = np.sqrt(np.mean(shuffled**2, axis=0))
    scale[scale == 0] = 1.0
    largest = (shuffled / scale).max(axis=1)
    p_values = np.ones(len(gaps))
    observed = gaps[compared] / scale
    # what is equal but for rounding counts as reached
    reached = (largest[:, None] >= observed[None] * (1 - 1e-9) - 1e-12).sum(axis=0)
    p_values[compared] = (1 + reached) / (1 + num_permutations)
    return p_values
