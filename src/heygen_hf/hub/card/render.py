"""Model cards, written from what a run knows about itself.

The YAML header is made by a YAML writer and the body by a template. Text from data or users reaches the body
escaped and is never read as a template.
"""

import os
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import jinja2
import yaml
from huggingface_hub import EvalResult, ModelCardData

from heygen_hf.hub.card.facts import CardFacts, MetricResult, SampleImage
from heygen_hf.hub.card.privacy import scrub, scrub_caption, scrub_command
from heygen_hf.hub.card.text import code_block, escape_markdown, one_line

UNKNOWN = "unknown"
_MOST_PROMPTS = 16


def render_card(facts: CardFacts) -> str:
    """The card as text: YAML header and Markdown body.

    Raises:
        ValueError: a sample's or metrics file's path is not relative to the run folder.
    """
    environment = jinja2.Environment(  # Markdown, not HTML: `md` escapes, and every foreign text goes through it
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.from_string(
        (resources.files("heygen_hf.hub") / "templates" / f"{_kind(facts)}.md").read_text(encoding="utf-8")
    )
    body = template.render(
        title=_safe(facts.title),
        task=_safe(facts.task),
        introduction=_introduction(facts),
        usage=_pipeline_usage(facts) if facts.usage is None else _model_usage(facts.usage),
        generation_defaults=_rows(facts.generation_defaults),
        metrics=[_metric_row(metric) for metric in facts.metrics],
        validation_loss=UNKNOWN if facts.validation_loss is None else f"{facts.validation_loss:.5g}",
        metrics_file=_relative(facts.metrics_file) if facts.metrics_file else None,
        samples=[_sample(sample) for sample in facts.samples],
        data_name=_safe(_base_name(facts.data_name)),
        splits=[(_safe(split), f"{count:,}") for split, count in facts.clips_per_split.items()],
        skipped=_skipped(facts),
        data_note=_safe(facts.data_note, 2000) if facts.data_note else None,
        training=_training_rows(facts),
        hardware=_rows(facts.hardware),
        recipe=code_block(scrub(facts.recipe_yaml), "yaml") if facts.recipe_yaml else None,
        command=code_block(scrub_command(facts.command), "bash") if facts.command else None,
        versions=_rows(facts.versions),
        limits=_safe(facts.limits, 4000) if facts.limits else None,
        licence=_safe(facts.licence),
    )
    return f"---\n{_header(facts)}---\n\n{body}"


def write_card(run_dir: str | Path, facts: CardFacts) -> Path:
    """Render the card to `README.md` in the run folder; a reader sees the old one or the new one, never a
    part.

    Raises:
        ValueError: the folder does not exist, or a sample that the card shows is not in it.
    """
    folder = Path(run_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: write the card into the run folder.")
    for sample in facts.samples:
        if not (folder / _relative(sample.path)).is_file():
            raise ValueError(f"sample {sample.path!r} is not in {folder}: write the strips before the card.")
    path = folder / "README.md"
    temporary = folder / f".README.md.{os.getpid()}"
    temporary.write_text(render_card(facts), encoding="utf-8", newline="\n")
    os.replace(temporary, path)
    return path


def _header(facts: CardFacts) -> str:
    """YAML by a YAML writer alone; every text on one line, so that none can look like the header's end."""
    title = _plain(facts.title, 96)
    results = [
        EvalResult(
            task_type=facts.task,
            dataset_type="video-folder" if facts.usage is None else "heygen_hf",
            dataset_name=_plain(_base_name(facts.data_name) or UNKNOWN),
            dataset_split=_plain(metric.group) if metric.group else None,
            metric_type=_plain(metric.metric_type),
            metric_name=_plain(metric.name),
            metric_value=metric.value,
            metric_args=_provenance(metric),
        )
        for metric in facts.metrics
        if metric.value is not None and not metric.is_baseline
    ]
    data = ModelCardData(
        library_name=facts.library_name or ("diffusers" if facts.usage is None else "transformers"),
        pipeline_tag=facts.task,
        license=_plain(facts.licence) if facts.licence else UNKNOWN,
        tags=["heygen_hf", facts.task, *(_plain(tag) for tag in facts.tags)],
        model_name=title or UNKNOWN,
        eval_results=results or None,
    )
    return yaml.safe_dump(data.to_dict(), sort_keys=False, allow_unicode=True, width=1_000_000)


def _provenance(metric: MetricResult) -> dict[str, Any] | None:
    known = {
        "count": metric.count,
        "confidence_interval_95": list(metric.interval) if metric.interval else None,
        "unit": _plain(metric.unit) or None,
        "same_measure_on_real_clips": metric.ceiling,
    }
    return {name: value for name, value in known.items() if value is not None} or None


def _introduction(facts: CardFacts) -> str:
    network = f"`{facts.model_class}`" if facts.model_class and facts.model_class.isidentifier() else "A model"
    size = f" of {_count(facts.num_parameters)} parameters" if facts.num_parameters is not None else ""
    return f"{network}{size} for {escape_markdown(facts.task)}, trained with heygen_hf."


def _kind(facts: CardFacts) -> str:
    """Of card: the name of its template."""
    return "text_to_video" if facts.usage is None else "trained_model"


def _model_usage(usage: str) -> str:
    return code_block(scrub(usage.strip()).replace("FOLDER", '"path/to/this/folder"'), "python")


def _pipeline_usage(facts: CardFacts) -> str:
    prompt = next((prompt for sample in facts.samples for prompt in sample.prompts), "a caption like those it learned")
    prompt = one_line(scrub_caption(prompt))
    use = f"video = pipe({prompt!r}).frames[0]" if facts.pipeline_usage is None else facts.pipeline_usage.strip()
    return code_block(
        "from heygen_hf import VideoGenerationPipeline\n\n"
        f'pipe = VideoGenerationPipeline.from_pretrained("path/to/this/folder")\n{use}',
        "python",
    )


def _metric_row(metric: MetricResult) -> dict[str, str]:
    interval = "–"
    if metric.interval and metric.value is not None:
        interval = " to ".join(_figure(bound, metric.unit) for bound in metric.interval)
    return {
        "name": _safe(metric.name),
        "group": _safe(metric.group) if metric.group else "all",
        "value": "not measured" if metric.value is None else _figure(metric.value, metric.unit),
        "interval": interval,
        "count": UNKNOWN if metric.count is None else f"{metric.count:,}",
        "ceiling": "–" if metric.ceiling is None else _figure(metric.ceiling, metric.unit),
        "note": _safe(metric.note) if metric.note else "",
    }


def _figure(value: float, unit: str) -> str:
    return f"{value:.1%}" if unit == "share" else f"{value:.4g} {escape_markdown(unit)}".rstrip()


def _sample(sample: SampleImage) -> dict[str, Any]:
    prompts = [escape_markdown(scrub_caption(prompt)) for prompt in sample.prompts]
    more = len(prompts) - _MOST_PROMPTS
    return {
        # percent-encoded: no name of a file can leave the brackets
        "path": quote(_relative(sample.path)),
        "prompts": prompts[:_MOST_PROMPTS] + ([f"and {more} more"] if more > 0 else []),
        "note": _safe(sample.note) if sample.note else None,
    }


def _skipped(facts: CardFacts) -> str:
    if facts.skipped_clips is None:
        return UNKNOWN
    reasons = "; ".join(_safe(reason) for reason in facts.skipped_reasons[:_MOST_PROMPTS])
    return f"{facts.skipped_clips:,}" + (f" ({reasons})" if reasons else "")


def _training_rows(facts: CardFacts) -> list[tuple[str, str]]:
    return [
        ("optimiser steps", UNKNOWN if facts.steps is None else f"{facts.steps:,}"),
        ("samples seen", UNKNOWN if facts.samples_seen is None else f"{facts.samples_seen:,}"),
        ("training time", UNKNOWN if facts.training_seconds is None else _duration(facts.training_seconds)),
    ]


def _rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(_safe(name), UNKNOWN if value is None else _safe(value)) for name, value in values.items()]


def _plain(text: str, max_characters: int = 300) -> str:
    return one_line(scrub(text), max_characters=max_characters)


def _safe(text: object, max_characters: int = 300) -> str:
    return UNKNOWN if text is None or text == "" else escape_markdown(scrub(str(text)), max_characters=max_characters)


def _base_name(path: str | None) -> str | None:
    """The last part of a local path; a Hub name such as `user/clips` stays whole."""
    if path is None or (re.fullmatch(r"[\w.-]+/[\w.-]+", path) and not Path(path).exists()):
        return path
    return re.split(r"[\\/]", path.rstrip("\\/"))[-1]


def _relative(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or re.match(r"[A-Za-z]:", path) or not parts.parts:
        raise ValueError(f"path {path!r} must be relative to the run folder, inside it, with forward slashes.")
    return str(parts)


def _count(number: int) -> str:
    for size, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:,}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
