"""The card's metadata: YAML by a YAML writer alone, of the classes that huggingface_hub has for it."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from heygen_hf.hub.card.facts import CardFacts
from heygen_hf.hub.card.figures import MetricResult
from heygen_hf.hub.card.privacy import scrub_line

UNKNOWN = "unknown"
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}")

_OF_TEXTS = ("text_classification", "token_classification", "language_modeling")


def card_header(facts: CardFacts) -> str:
    """YAML in which every text is on one line, so that none can look like the header's end."""
    title = _plain(facts.title, 96)
    licence = _plain(facts.licence) if facts.licence else UNKNOWN
    is_identifier = bool(_IDENTIFIER.fullmatch(licence))
    data_set = facts.data_name if is_hub_name(facts.data_name) else None
    base = facts.base_model if is_hub_name(facts.base_model) else None
    data = ModelCardData(
        library_name=facts.library_name or _library(facts),
        pipeline_tag=facts.task,
        license=licence if is_identifier else "other",
        license_name=None if is_identifier else licence,
        base_model=base,
        datasets=[_plain(data_set)] if data_set else None,
        tags=["heygen_hf", facts.task, *(["adapter"] if facts.is_adapter else []), *(_plain(t) for t in facts.tags)],
        model_name=title,
        eval_results=[_result(facts, metric) for metric in facts.metrics if _is_result(metric)] or None,
    )
    return yaml.dump(data.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)


def is_hub_name(name: str | None) -> bool:
    """Whether it is `user/name` on the Hub rather than a folder here."""
    return name is not None and bool(_HUB_NAME.fullmatch(name)) and not Path(name).exists()


class _Dumper(yaml.SafeDumper):
    """Two figures with the same provenance are written out twice: readers of cards know no YAML references."""

    def ignore_aliases(self, _: Any) -> bool:
        return True


def _library(facts: CardFacts) -> str:
    return "peft" if facts.is_adapter else "diffusers" if facts.usage is None else "transformers"


def _is_result(metric: MetricResult) -> bool:
    if metric.is_baseline or metric.is_below_minimum:  # leaderboards read results without their notes
        return False
    return metric.value is not None and math.isfinite(metric.value)


def _result(facts: CardFacts, metric: MetricResult) -> EvalResult:
    hub = facts.data_name if is_hub_name(facts.data_name) else None
    return EvalResult(
        task_type=facts.task,
        dataset_type=hub or ("text-folder" if facts.kind in _OF_TEXTS else "video-folder"),
        dataset_name=_plain(base_name(facts.data_name) or UNKNOWN),
        dataset_split=_plain(metric.group) if metric.group else None,
        metric_type=_plain(metric.metric_type),
        metric_name=_plain(metric.name),
        metric_value=metric.value,
        metric_args=_provenance(facts, metric),
    )


def _provenance(facts: CardFacts, metric: MetricResult) -> dict[str, Any] | None:
    source = metric.source or facts.metrics_file
    known = {
        "file": None if source is None else _plain(source),
        "count": metric.count,
        "confidence_interval_95": list(metric.interval) if metric.interval else None,
        "unit": _plain(metric.unit) if metric.unit else None,
        "same_measure_on_real_clips": metric.ceiling,
        "noise_floor": metric.noise_floor,
        "provenance": _values(metric.provenance) if metric.provenance else None,
    }
    return {name: value for name, value in known.items() if value is not None} or None


def _values(values: Any) -> Any:
    """JSON values with every text on one line, and without what is not known."""
    if isinstance(values, Mapping):
        return {_plain(str(name)): _values(value) for name, value in values.items() if value is not None}
    if isinstance(values, list | tuple):
        return [_values(value) for value in values]
    if values is None or isinstance(values, bool | int):
        return values
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    return _plain(str(values))


def base_name(path: str | None) -> str | None:
    """The last part of a local path; a Hub name such as `user/clips` stays whole."""
    if path is None or is_hub_name(path):
        return path
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def _plain(text: str, max_characters: int = 300) -> str:
    return scrub_line(text, max_characters=max_characters) or UNKNOWN
