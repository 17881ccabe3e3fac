"""What stands in a report beside the curves: samples, figures with their intervals, the fate of the data."""

import base64
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from heygen_hf.hub import scrub
from heygen_hf.training.debugging.run_records import RunRecords

_MOST_SAMPLES, _MOST_SAMPLE_BYTES = 12, 8 * 2**20
_MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".gif": "image/gif", ".mp4": "video/mp4"}
_MOST_REASONS = 20


@dataclass(frozen=True)
class Embedded:
    """A picture or a video inside the page."""

    name: str
    is_video: bool
    address: str


def embedded(name: str, data: bytes, *, suffix: str = ".png") -> Embedded:
    """As a `data:` address."""
    address = f"data:{_MEDIA_TYPES[suffix]};base64,{base64.b64encode(data).decode('ascii')}"
    return Embedded(name, suffix == ".mp4", address)


def samples_of(run: RunRecords) -> list[Embedded]:
    """The card's pictures first, then the newest of those made while training, until the page is full."""
    files = [path for path in (run.path / "samples").glob("*") if path.suffix in _MEDIA_TYPES and path.is_file()]
    files.sort(key=lambda path: path.name, reverse=True)
    files.sort(key=lambda path: (path.name.startswith("step-"), path.suffix == ".mp4"))
    found, size = [], 0
    for path in files:
        size += path.stat().st_size
        if len(found) == _MOST_SAMPLES or size > _MOST_SAMPLE_BYTES:
            break
        found.append(embedded(path.name, path.read_bytes(), suffix=path.suffix))
    return found


def figures_of(run: RunRecords) -> list[dict[str, Any]]:
    """Every figure of `metrics.json` that has an interval: name, value, interval, count."""
    path = run.path / "metrics.json"
    if not path.is_file():
        return []
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return []
    return list(_figures(metrics, ()))


def _figures(values: Any, above: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if isinstance(values, list):
        for value in values:
            yield from _figures(value, above)
        return
    if not isinstance(values, Mapping):
        return
    interval = values.get("interval")
    if isinstance(interval, list) and len(interval) == 2:
        names = [name for name in ("value", "accuracy", "share", "correlation", "mean") if _is_number(values.get(name))]
        names += [name for name in values if _is_number(values[name]) and name not in ("count", *names)]
        if names:
            own = [str(values[key]) for key in ("group", "name") if values.get(key)]
            yield {
                "name": " · ".join([*above[:-1], *own] if above[-1:] == ("figures",) else [*above, *own]),
                "value": _shown(values[names[0]]),
                "interval": f"{_shown(interval[0])} – {_shown(interval[1])}",
                "count": values.get("count", ""),
                "note": scrub(str(values.get("note") or "")),
            }
    for key, value in values.items():
        if isinstance(value, Mapping | list) and key != "interval":
            yield from _figures(value, (*above, str(key)))


def fate_of_data(run: RunRecords) -> list[dict[str, Any]]:
    """A row for each split: how many rows there were, how many were used, and why the others were not."""
    rows = []
    for split, report in (run.facts.get("reports") or {}).items():
        skipped = report.get("skipped") or []
        reasons = Counter(str(each.get("reason", "")) for each in skipped if isinstance(each, Mapping))
        first = {str(each.get("reason", "")): PurePath(str(each.get("file_name", ""))).name for each in skipped[::-1]}
        rows.append(
            {
                "split": split,
                "rows": report.get("num_rows", report.get("num_used")),
                "used": report.get("num_used"),
                "set_apart": report.get("num_set_apart", ""),
                "left_out": len(skipped),
                "reasons": [
                    scrub(f"{count} × {reason} ({first[reason]})")
                    for reason, count in reasons.most_common(_MOST_REASONS)
                ],
                "warnings": [scrub(str(warning)) for warning in report.get("warnings") or []],
            }
        )
    return rows


def replaced_clips(run: RunRecords) -> list[str]:
    """Clips that could not be read while training, by name, and why."""
    replaced = run.facts.get("replaced_clips") or {}
    return [scrub(f"{PurePath(name).name}: {reason}") for name, reason in list(replaced.items())[:_MOST_REASONS]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
