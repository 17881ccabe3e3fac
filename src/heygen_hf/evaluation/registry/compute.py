"""All metrics asked for, in one pass over the clips and in constant memory, in as many processes as there are."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import torch

from heygen_hf.evaluation.clip_stream import ClipBatch, ClipShape, ReferenceClips, read_batches
from heygen_hf.evaluation.clip_stream.batches import Clips
from heygen_hf.evaluation.measuring import Measurement, MeasuringSettings
from heygen_hf.evaluation.registry.gathering import all_agree, gather_metrics, process_share
from heygen_hf.evaluation.registry.metric import ClipMetric, MetricContext
from heygen_hf.evaluation.registry.models import MetricModels
from heygen_hf.evaluation.registry.names import metric_entry


def compute_metrics(
    metrics: Iterable[str | ClipMetric],
    generated: Clips,
    references: Clips | ReferenceClips | None = None,
    *,
    prompts: Sequence[str] | None = None,
    sounds: Sequence[torch.Tensor] | None = None,
    models: MetricModels | None = None,
    settings: MeasuringSettings | None = None,
) -> dict[str, Measurement]:
    """Measure generated clips.

    In a torch.distributed group every process takes its share of the clips (the others' are not read where clips are a
    sequence), what they saw is merged, and all return the same figures: the same as one process gives, but for the last
    digits beyond `settings.max_kept_clips` clips.

    Args:
        metrics: names of the registry (`METRICS`), or metrics with networks of their own.
        generated: clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1], or `VideoClip`s with
            their rate; any iterable, which is gone through once.
        references: the same, of the same size, length and rate. For metrics of pairs, the reference of each clip, in
            order. `ReferenceClips` (or `VideoFiles.as_references()`) lets their statistics be kept in
            `settings.cache_dir`. Metrics that need none say what they are on the references too.
        prompts: one a generated clip.
        sounds: the same: `(frames,)`, how loud it is at each frame (`loudness_per_frame`). Where there are as many
            references, they are theirs too.
        models: the networks to look through; the embedded one by default.
        settings: batch size, seed, intervals, minimum counts, cache.

    Returns:
        name → figure, in the order asked for.

    Raises:
        ValueError: an unknown metric, a network, references or prompts that it needs missing, clips of mixed kinds, or
            fewer than a metric needs.

    Example:
        >>> figures = compute_metrics(["fvd", "psnr"], generated, references)
        >>> figures["fvd"].value, figures["fvd"].interval, figures["fvd"].noise_floor
    """
    models, settings = models or MetricModels(), settings or MeasuringSettings()
    entries = [each if isinstance(each, ClipMetric) else metric_entry(each) for each in metrics]
    if not entries:
        raise ValueError("no metrics are asked for; name one or more, such as fvd")
    for each in entries:
        kind = each if isinstance(each, ClipMetric) else each.metric
        if kind.needs_references and references is None:
            raise ValueError(f"{kind.name} compares with real clips; give references, or leave it out")
        if kind.needs_prompts and prompts is None:
            raise ValueError(f"{kind.name} compares clips with their prompts; give prompts, or leave it out")
        if kind.needs_sounds and sounds is None:
            raise ValueError(f"{kind.name} compares clips with their sound; give sounds, or leave it out")
    ready = [each if isinstance(each, ClipMetric) else each.make(models, settings) for each in entries]
    measured = {metric.name: metric for metric in ready}
    if len(measured) < len(ready):
        names = [metric.name for metric in ready]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is asked for twice; measure it once, or with other networks in a call of its own")

    content_hash = references.content_hash if isinstance(references, ReferenceClips) else None
    waiting = set(measured)  # for references
    if content_hash is not None:
        waiting -= _load_references(measured, content_hash)
    context = MetricContext(reference_hash=content_hash)

    problem: Exception | None = None
    try:
        context.shape = _take_in(
            measured, waiting, generated, references, prompts=prompts, sounds=sounds, settings=settings
        )
    except Exception as error:
        problem = error
    # before any process waits for what another will never send
    if not all_agree([problem is None])[0]:
        raise problem or ValueError("another process could not measure its clips; its own message says why")
    gather_metrics(list(measured.values()))
    if content_hash is not None and process_share()[0] == 0:
        for metric in measured.values():
            metric.save_references(content_hash)
    return {name: metric.measure(context) for name, metric in measured.items()}


def _load_references(metrics: dict[str, ClipMetric], content_hash: str) -> set[str]:
    """The metrics whose references' statistics every process has from the cache."""
    loaded = all_agree([metric.load_references(content_hash) for metric in metrics.values()])
    for metric, in_all in zip(metrics.values(), loaded, strict=True):
        if not in_all:
            metric.forget_references()
    return {name for name, in_all in zip(metrics, loaded, strict=True) if in_all}


def _take_in(
    metrics: dict[str, ClipMetric],
    waiting: set[str],
    generated: Clips,
    references: Clips | ReferenceClips | None,
    *,
    prompts: Sequence[str] | None,
    sounds: Sequence[torch.Tensor] | None,
    settings: MeasuringSettings,
) -> ClipShape | None:
    """Go through both sets side by side; the kind of the generated clips."""
    first, step = process_share()
    paired = [metric for metric in metrics.values() if metric.needs_pairs]
    single = [metric for metric in metrics.values() if not metric.needs_pairs]
    share: dict[str, Any] = {"batch_size": settings.batch_size, "first_index": first, "index_step": step}
    ours = read_batches(generated, prompts=prompts, sounds=sounds, **share)
    shape: ClipShape | None = None

    def real() -> Iterator[ClipBatch]:
        clips = references.clips if isinstance(references, ReferenceClips) else references
        if clips is None or not (paired or waiting & {metric.name for metric in single}):
            return
        alike = sounds is not None and isinstance(clips, Sized) and len(clips) == len(sounds)
        yield from read_batches(clips, name="reference", like=shape, sounds=sounds if alike else None, **share)

    theirs: Iterator[ClipBatch] | None = None
    for number, batch in enumerate(ours):
        shape = batch.shape
        if number == 0:
            theirs = real()  # not before: they should be like the first generated clip
        assert theirs is not None
        reference = next(theirs, None)
        for metric in single:
            metric.update(batch)
        _update_references(single, waiting, reference)
        if paired:
            if reference is None or len(reference.indices) != len(batch.indices):
                raise ValueError(f"{paired[0].name} needs the reference of each clip, and there are fewer than clips")
            for metric in paired:
                metric.update_pairs(batch, reference)
    for reference in theirs if theirs is not None else real():
        if paired:
            raise ValueError(f"{paired[0].name} needs the reference of each clip, and there are more than clips")
        _update_references(single, waiting, reference)
    return shape


def _update_references(metrics: list[ClipMetric], waiting: set[str], reference: ClipBatch | None) -> None:
    if reference is not None:
        for metric in metrics:
            if metric.name in waiting:
                metric.update_references(reference)
