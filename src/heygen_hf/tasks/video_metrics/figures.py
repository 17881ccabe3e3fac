"""The figures of one set of videos: distances between sets beside all references, the others beside as many."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from heygen_hf.evaluation import ClipMetric, Measurement, MeasuringSettings, compute_metrics
from heygen_hf.evaluation.measuring import check_minimum_count


def check_counts(
    metrics: Sequence[ClipMetric],
    *,
    num_videos: int,
    num_references: int | None,
    frames_per_clip: int,
    allow_too_few: bool,
) -> None:
    """Refuse too few clips before anything is generated or read.

    Raises:
        ValueError: fewer than a metric's minimum, and how to measure it all the same.
    """
    for metric in metrics:
        of_frames = getattr(metric, "counted", "clips") == "frames"
        counts = {"generated": num_videos}
        if metric.needs_references and not metric.needs_pairs and num_references is not None:
            counts["reference"] = num_references
        counts = {kind: count * (frames_per_clip if of_frames else 1) for kind, count in counts.items()}
        try:
            check_minimum_count(
                metric.name,
                counts,
                minimum=metric.minimum_count,
                allow_too_few=allow_too_few,
                unit="frames" if of_frames else "clips",
            )
        except ValueError as error:
            said = str(error).replace("give more, or set allow_too_few", "give more (--num-videos), or --allow-too-few")
            raise ValueError(said) from None


def figures_of(
    metrics: Sequence[ClipMetric],
    videos: Any,
    *,
    references: Any,
    beside: Any,
    prompts: Sequence[str] | None,
    sounds: Sequence[torch.Tensor] | None = None,
    settings: MeasuringSettings,
    pairs_note: str | None = None,
) -> dict[str, Measurement]:
    """Name → figure, in the order of `metrics`.

    Args:
        references: for the distances between whole sets; None where there are none.
        beside: the reference of each video, for metrics of pairs; the others say what they are on these too.
        sounds: of each video, how loud it is at each frame.
        pairs_note: what a reader must know of the pairs.
    """
    whole_sets = [metric for metric in metrics if metric.needs_references and not metric.needs_pairs]
    others = [metric for metric in metrics if metric not in whole_sets]
    figures: dict[str, Measurement] = {}
    if whole_sets:
        figures |= compute_metrics(whole_sets, videos, references, settings=settings)
    if others:
        needs_prompts = any(metric.needs_prompts for metric in others)
        texts = list(prompts) if needs_prompts and prompts is not None else None
        heard = sounds if any(metric.needs_sounds for metric in others) else None
        figures |= compute_metrics(others, videos, beside, prompts=texts, sounds=heard, settings=settings)
    for metric in metrics:
        if metric.needs_pairs and pairs_note is not None:
            figures[metric.name] = replace(figures[metric.name], note=pairs_note)
    return {metric.name: figures[metric.name] for metric in metrics}
