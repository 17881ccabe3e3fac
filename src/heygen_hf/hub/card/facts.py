"""What is known about a run: all that its card says. What is None is said to be unknown, never guessed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
        unit: "share" (shown as a percentage), or a unit such as "dB"; "" for a bare number.
        metric_type: the metric's identifier on the Hub.
        note: anything a reader must know to read the figure.
        is_baseline: of something else on the same data, to compare with: in the card's table, not among the model's
            results in its header.
    """

    name: str
    value: float | None
    count: int | None = None
    interval: tuple[float, float] | None = None
    group: str | None = None
    ceiling: float | None = None
    unit: str = "share"
    metric_type: str = "accuracy"
    note: str | None = None
    is_baseline: bool = False


@dataclass(frozen=True, kw_only=True)
class SampleImage:
    """A picture of generated videos.

    Attributes:
        path: relative to the run folder, with forward slashes.
        prompts: what was asked for, in the picture's order.
        note: how they were made.
    """

    path: str
    prompts: Sequence[str] = ()
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """Everything a card says.

    Attributes:
        title: the model's name.
        task: the Hub's name of the task.
        model_class, num_parameters: of the network that was trained.
        library_name: what loads it; by default diffusers for a pipeline and transformers for a model.
        data_name: the data set; of a path, its last part is shown.
        clips_per_split: number of clips (or texts, or recordings) in each split.
        skipped_clips: number of those that could not be used; `skipped_reasons` says why.
        data_note: anything else about the data, such as what was held out.
        recipe_yaml: the recipe as resolved.
        command: the command line, a word each.
        hardware: a description by name, such as `{"cpu": "2 cores"}`.
        training_seconds, steps, samples_seen: how long it was trained.
        versions: package -> version.
        metrics: measured figures; `metrics_file` holds them all, relative to the run folder.
        validation_loss: at fixed timesteps and noise.
        samples: pictures of generated videos.
        usage: lines of Python that load the folder, called `FOLDER` in them, and use it; None for a pipeline's.
        pipeline_usage: lines of Python that use the loaded pipeline, called `pipe` in them; None for a prompt alone.
        generation_defaults: sampling settings saved with the pipeline.
        limits: what the model is not good for.
        licence: its identifier on the Hub.
        tags: beyond those every card has.
    """

    title: str
    task: str = "text-to-video"
    model_class: str | None = None
    num_parameters: int | None = None
    library_name: str | None = None
    data_name: str | None = None
    clips_per_split: Mapping[str, int] = field(default_factory=dict)
    skipped_clips: int | None = None
    skipped_reasons: Sequence[str] = ()
    data_note: str | None = None
    recipe_yaml: str | None = None
    command: Sequence[str] | None = None
    hardware: Mapping[str, Any] = field(default_factory=dict)
    training_seconds: float | None = None
    steps: int | None = None
    samples_seen: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    metrics: Sequence[MetricResult] = ()
    metrics_file: str | None = None
    validation_loss: float | None = None
    samples: Sequence[SampleImage] = ()
    usage: str | None = None
    pipeline_usage: str | None = None
    generation_defaults: Mapping[str, Any] = field(default_factory=dict)
    limits: str | None = None
    licence: str | None = None
    tags: Sequence[str] = ()


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
