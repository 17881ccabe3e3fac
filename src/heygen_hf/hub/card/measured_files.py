"""The figures in a run's JSON files beside `metrics.json`: those of `heygen-hf evaluate --metrics`.

They are read as they are found: what is missing in a figure is not shown, and a file that holds none is left out.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from heygen_hf.hub.card.figures import MetricResult

# Of the videos that the figures are of: what a reader wants to know first.
_SAMPLING = {
    "first_seed": "first seed",
    "last_seed": "last seed",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance scale",
    "num_frames": "frames",
    "height": "height",
    "width": "width",
    "frame_rate": "frames a second",
}


def measured_files(folder: str | Path) -> list[str]:
    """Names, relative to the folder, of the files with figures beside `metrics.json`, in order."""
    folder = Path(folder)
    found = [path for place in (folder, folder / "evaluation") for path in sorted(place.glob("metrics_*.json"))]
    return [path.relative_to(folder).as_posix() for path in found if path.is_file()]


def figures_in(folder: str | Path) -> list[MetricResult]:
    """All figures of `measured_files`, each with the file that holds it."""
    return [figure for name in measured_files(folder) for figure in _read(Path(folder) / name, name)]


def story_of(folder: str | Path, name: str) -> str | None:
    """What the figures of a file were measured on, in a line; None where it does not say."""
    values = _load(Path(folder) / name)
    videos, references = values.get("videos"), values.get("references")
    said = []
    if isinstance(videos, Mapping):
        count, prompts = videos.get("count"), videos.get("prompts")
        said.append(f"{count} videos" + (f" of {prompts}" if prompts else ""))
        said += [f"{words} {videos[key]}" for key, words in _SAMPLING.items() if videos.get(key) is not None]
    if isinstance(references, Mapping):
        said.append(f"references: {references.get('count')} of {references.get('source')}")
    return ", ".join(said) or None


def _read(path: Path, name: str) -> list[MetricResult]:
    values = _load(path)
    videos = {"videos": values["videos"]} if isinstance(values.get("videos"), Mapping) else {}
    return [_figure(entry, name, videos) for entry in _entries(values)]


def _entries(values: Any) -> Iterator[Mapping[str, Any]]:
    """Whatever has a name and a value, wherever in the file it stands."""
    if isinstance(values, Mapping):
        if isinstance(values.get("name"), str) and (
            values.get("value", "") is None or _number(values.get("value")) is not None
        ):
            yield values
            return
        values = list(values.values())
    if isinstance(values, list):
        for value in values:
            yield from _entries(value)


def _figure(entry: Mapping[str, Any], source: str, videos: Mapping[str, Any]) -> MetricResult:
    provenance = {**videos}
    if isinstance(entry.get("provenance"), Mapping):
        provenance |= entry["provenance"]
    for key in ("reference_count", "minimum_count", "below_minimum"):
        if entry.get(key) is not None:
            provenance[key] = entry[key]
    notes = [str(entry["note"])] if entry.get("note") else []
    if entry.get("below_minimum"):
        notes.insert(0, f"below the minimum count of {entry.get('minimum_count')}: it means little")
    features = provenance.get("features")
    if isinstance(features, Mapping) and features.get("name"):  # without which a distance says nothing
        notes.append(f"features: {features['name']}")
    interval = entry.get("interval")
    return MetricResult(
        name=entry["name"],
        value=_number(entry["value"]),
        count=entry["count"] if isinstance(entry.get("count"), int) else None,
        interval=(float(interval[0]), float(interval[1])) if _is_interval(interval) else None,
        group=None if entry.get("group") is None else str(entry["group"]),
        ceiling=_number(entry.get("reference_value", entry.get("ceiling"))),
        noise_floor=_number(entry.get("noise_floor")),
        higher_is_better=better if isinstance(better := entry.get("higher_is_better"), bool) else None,
        unit=str(entry.get("unit") or ""),
        metric_type=str(entry.get("metric_type") or entry["name"]),
        note="; ".join(notes) or None,
        is_baseline=bool(entry.get("is_baseline")),
        is_below_minimum=bool(entry.get("below_minimum")),
        source=source,
        provenance=provenance or None,
    )


def _is_interval(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 2 and all(_number(bound) is not None for bound in value)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _load(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if isinstance(values, list):
        return {"figures": values}
    return values if isinstance(values, dict) else {}
