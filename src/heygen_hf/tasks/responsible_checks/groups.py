"""Is some group worse off? Figures of videos by what they were asked to show."""

from collections.abc import Sequence

import numpy as np

from heygen_hf.evaluation import METRICS, MeasuringSettings
from heygen_hf.evaluation.clip_stream import read_batches
from heygen_hf.evaluation.registry.averages import AverageOverClips
from heygen_hf.tasks.responsible_checks.document import Check
from heygen_hf.tasks.responsible_checks.group_comparison import FigurePerVideo, compare
from heygen_hf.tasks.responsible_checks.judging import judging_of
from heygen_hf.tasks.responsible_checks.options import MAX_CLIPS, CheckOptions
from heygen_hf.tasks.responsible_checks.real_clips import labelled_real_clips
from heygen_hf.tasks.responsible_checks.subject import NO_GROUPS, CheckedVideos


def check_groups(videos: CheckedVideos, options: CheckOptions) -> Check:
    """Compare groups of a run's videos, or a folder's.

    Raises:
        ValueError: no column to group by, or no figure to compare.
    """
    columns = list(options.groups or videos.own_columns)
    if not columns or not videos.labels:
        raise ValueError(NO_GROUPS)
    figures = _judged(videos, columns) + _measured(videos, options)
    if not figures:
        raise ValueError(
            "groups needs a figure of each video: data.label_columns in the recipe (then judges tell what a video "
            "shows), or --metrics, such as --metrics temporal_flicker"
        )
    labels = {column: videos.labels[column] for column in columns}
    return compare(figures, labels, prompts=videos.prompts, subject=videos.facts, seed=options.draw_seed)


def _judged(videos: CheckedVideos, columns: Sequence[str]) -> list[FigurePerVideo]:
    if videos.run is None or not videos.own_columns:
        return []
    judging = judging_of(videos.run.folder, videos.recipe, processor=videos.run.processor)
    if judging is None:
        return []
    hits = judging.hits(videos.clips, videos.labels)
    real: dict[str, np.ndarray] = {}
    known = {}
    if videos.run.real is not None:
        count = min(len(videos.run.real), MAX_CLIPS)
        clips = labelled_real_clips(videos.run, count)
        real = judging.hits(clips, clips.labels)
        known = {column: values for column, values in clips.labels.items() if column in columns}
    return [
        FigurePerVideo(
            name=f"accuracy, {column}",
            values=values,
            is_share=True,
            unit="share",
            features=judging.describe(),
            real_values=real.get(column),
            real_labels=known,
        )
        for column, values in hits.items()
    ]


def _measured(videos: CheckedVideos, options: CheckOptions) -> list[FigurePerVideo]:
    """Metrics of single videos."""
    if not options.metrics:
        return []
    assert options.models is not None
    settings = MeasuringSettings()
    ready = [METRICS[name].make(options.models, settings) for name in options.metrics]
    if any(metric.needs_prompts for metric in ready) and videos.prompts is None:
        raise ValueError("clip_score compares videos with their prompts, and there are none; leave it out")
    for batch in read_batches(videos.clips, batch_size=settings.batch_size, prompts=videos.prompts):
        for metric in ready:
            metric.update(batch)
    found = []
    for metric in ready:
        assert isinstance(metric, AverageOverClips)
        found.append(
            FigurePerVideo(
                name=metric.name,
                values=metric.generated.in_order(),
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                features=metric.describe_features(),
            )
        )
    return found
