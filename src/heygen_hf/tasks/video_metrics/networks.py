"""Which networks the metrics look through, as the command line names them, and the metrics made with them."""

import json
from collections.abc import Sequence
from pathlib import Path

from heygen_hf.evaluation import METRICS, ClipMetric, MeasuringSettings, MetricModels
from heygen_hf.evaluation.registry import metric_entry

# Metric → the field of `MetricModels` with its network. Metrics of frames share theirs.
_FIELDS = {
    "fvd": "video_features",
    "jedi": "jedi_features",
    "content_debiased_fvd": "debiased_features",
    "fid": "image_features",
    "subject_consistency": "image_features",
    "temporal_consistency": "image_features",
    "identity_similarity": "identity_features",
    "is": "classifier",
    "clip_score": "text_video_features",
}
# Those for which the embedded network will not do, and what will.
_NEEDED = {
    "content_debiased_fvd": "a VideoMAE, such as MCG-NJU/videomae-base",
    "is": "a classifier of videos, such as RUN/evaluation/judges/digit",
}
# What it looks through where nothing else is named; fetched from the Hub the first time.
_CLIP = "openai/clip-vit-base-patch32"


def metric_names(metrics: Sequence[str]) -> list[str]:
    """The registry's names of what is asked for: `a,b` or one a string, each once.

    Raises:
        ValueError: there is none of that name, or there are none.
    """
    asked = [name.strip() for each in metrics for name in each.split(",") if name.strip()]
    if not asked:
        raise ValueError(f"--metrics names none; give one or more of {', '.join(METRICS)}")
    return list(dict.fromkeys(metric_entry(name).name for name in asked))


def metric_models(
    metrics: Sequence[str], features: Sequence[str], *, device: str | None = None, judges: Path | None = None
) -> MetricModels:
    """The networks for `metrics`.

    Args:
        features: `metric=NAME_OR_FOLDER`, or one alone for FVD and JEDi, or for the only metrics asked for that have a
            network.
        judges: of a run, for the Inception Score where no other classifier is named: the one of most classes.

    Raises:
        ValueError: a metric that is not asked for or has no network, one of which it is not clear whose it is, or a
            metric that has no network and needs one.
    """
    with_network = [name for name in metrics if name in _FIELDS]
    chosen: dict[str, str] = {}
    for given in features:
        metric, separator, source = given.partition("=")
        if separator and (metric in METRICS or not metric.strip("abcdefghijklmnopqrstuvwxyz_")):
            name = metric_entry(metric).name
            if name not in with_network:
                why = "is not among --metrics" if name in _FIELDS else "looks at pixels alone"
                raise ValueError(f"--features {given}: {name} {why}; leave it out")
            chosen[_FIELDS[name]] = source
        else:
            chosen[_field_of_one(given, with_network)] = given
    if "is" in metrics and "classifier" not in chosen and (judge := _judge_of_most_classes(judges)) is not None:
        print(f"is looks through the run's own judge of {judge.name}")
        chosen["classifier"] = str(judge)
    if "clip_score" in metrics:
        chosen.setdefault("text_video_features", _CLIP)
    for name, what in _NEEDED.items():
        if name in metrics and _FIELDS[name] not in chosen:
            raise ValueError(f"{name} needs {what}: pass --features {name}=NAME_OR_FOLDER, or leave {name} out")
    return MetricModels(**chosen, device=device)  # type: ignore[arg-type]


def _judge_of_most_classes(judges: Path | None) -> Path | None:
    """A run's classifier; of several the one by whose classes videos can differ the most."""
    found = {}
    for config in sorted(judges.glob("*/config.json")) if judges is not None else ():
        found[config.parent] = len(json.loads(config.read_text(encoding="utf-8")).get("id2label", {}))
    return max(found, key=lambda judge: found[judge], default=None)


def _field_of_one(given: str, with_network: Sequence[str]) -> str:
    if {"fvd", "jedi"} & set(with_network):
        return "video_features"
    fields = {_FIELDS[name] for name in with_network}
    if len(fields) != 1:
        whose = f"one of {', '.join(with_network)}" if fields else "none of --metrics, which look at pixels alone"
        raise ValueError(f"--features {given} is for {whose}; write whose it is, such as --features fid={given}")
    return fields.pop()


def make_metrics(names: Sequence[str], models: MetricModels, settings: MeasuringSettings) -> list[ClipMetric]:
    """The metrics with their networks loaded: before anything is generated, so that nothing is in vain."""
    return [_made(name, models, settings) for name in names]


def _made(name: str, models: MetricModels, settings: MeasuringSettings) -> ClipMetric:
    try:
        return metric_entry(name).make(models, settings)
    except ValueError as error:
        if name == "clip_score" and models.text_video_features == _CLIP:
            raise ValueError(
                f"clip_score looks through {_CLIP}, which is not here and cannot be fetched (no network?): pass "
                "--features clip_score=FOLDER_OR_NAME of CLIP or a like model, or leave clip_score out"
            ) from error
        raise
