"""Whether every figure of a card is found, after rounding, in the JSON files that lie beside it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from heygen_hf.hub.card.rows import duration
from heygen_hf.hub.card.text import unescape_markdown

_SOURCE = re.compile(r"are in `([^`]+)`\.")
_NUMBER = re.compile(r"(?<![\w.])(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[+-]?\d+)?%?(?![\w]|\.\d)")
_CELLS = re.compile(r"(?<!\\)\|")


def untraced(folder: Path) -> list[str]:
    """What cannot be traced: a line for each; empty when all is well."""
    header, body = (folder / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)
    return [*_of_header(yaml.safe_load(header.removeprefix("---\n")), folder), *_of_tables(body, folder)]


def num_figures(folder: Path) -> int:
    """How many numbers the card's tables hold: that there is something to trace."""
    body = (folder / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]
    return sum(len(_NUMBER.findall(cell)) for _, rows, _ in _tables(body) for row in rows for cell in row)


def _of_header(header: dict[str, Any], folder: Path) -> Iterator[str]:
    for entry in header.get("model-index", ()):
        for result in entry["results"]:
            for metric in result["metrics"]:
                arguments = metric["args"]
                objects = list(_objects(_read(folder / arguments["file"])))
                together = [
                    metric["value"],
                    *(arguments[n] for n in ("count", "confidence_interval_95") if n in arguments),
                ]
                if not any(all(part in found.values() for part in together) for found in objects):
                    yield f"model-index: no figure of {arguments['file']} is {together}"
                everywhere = set(_numbers(objects))
                for name in ("same_measure_on_real_clips", "noise_floor"):
                    if name in arguments and arguments[name] not in everywhere:
                        yield f"model-index: {arguments[name]} is not in {arguments['file']}"
                lost = set(_numbers(arguments.get("provenance", {}))) - everywhere
                if lost:
                    yield f"model-index: {lost} of the provenance are not in {arguments['file']}"


def _of_tables(body: str, folder: Path) -> Iterator[str]:
    for headings, rows, source in _tables(body):
        if source is None or not (folder / source).is_file():
            yield f"the table of {headings} names no JSON file beside the card ({source})"
            continue
        values = _read(folder / source)
        written, texts = set(_shown(values)), set(_texts(values))
        words = {word for text in texts for word in _words(text)}
        objects = [set(_shown(_own_values(found))) for found in _objects(values)]
        for row in rows:
            for cell in row:
                plain = unescape_markdown(cell)
                if plain not in texts and plain not in written:
                    lost = [word for word in _words(plain) if word not in written and word not in words]
                    yield from (f"{word} in {row} is not in {source}" for word in lost)
            if "95 % interval" in headings:
                measured = [row[headings.index(n)] for n in ("value", "95 % interval", "count")]
                wanted = {n for cell in measured for n in _NUMBER.findall(cell)}
                if not any(wanted <= found for found in objects):
                    yield f"no figure of {source} is {measured}"


def _tables(body: str) -> Iterator[tuple[list[str], list[list[str]], str | None]]:
    """Headings, rows and the file that is named below, of every table outside code."""
    lines = _without_code(body)
    waiting: list[tuple[list[str], list[list[str]]]] = []
    for place, line in enumerate(lines):
        if re.match(r"\|(?:---\|)+$", line):
            rows = []
            for below in lines[place + 1 :]:
                if not below.startswith("|"):
                    break
                rows.append(_cells(below))
            waiting.append((_cells(lines[place - 1]), rows))
        found = _SOURCE.search(line)
        if found or line.startswith("## "):
            for headings, rows in waiting:
                yield headings, rows, found[1] if found else None
            waiting = []
    for headings, rows in waiting:
        yield headings, rows, None


def _without_code(body: str) -> list[str]:
    lines, fence = [], ""
    for line in body.splitlines():
        ticks = re.match(r"`{3,}", line)
        if fence:
            fence = "" if line == fence else fence
        elif ticks:
            fence = ticks[0]
        else:
            lines.append(line)
    return lines


def _words(text: str) -> list[str]:
    """Those with a digit in them, without the punctuation around them."""
    return [word.strip(".,;:()'\"") for word in re.findall(r"\S*\d\S*", text)]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELLS.split(line)[1:-1]]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _objects(values: Any) -> Iterator[dict[str, Any]]:
    if isinstance(values, dict):
        yield values
    for value in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _objects(value)


def _own_values(found: dict[str, Any]) -> list[Any]:
    """An object's own numbers, and those in its lists: not those of objects inside it."""
    return [value for value in found.values() if not isinstance(value, dict)]


def _numbers(values: Any) -> Iterator[float]:
    if isinstance(values, int | float) and not isinstance(values, bool):
        yield values
    for value in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _numbers(value)


def _shown(values: Any) -> Iterator[str]:
    """Every number as a card may write it, and how many there are in a list."""
    for number in _numbers(values):
        yield from (str(number), f"{number:,}", f"{number:.4g}", f"{number:.1%}", duration(number))
    for found in _objects(values):
        for value in found.values():
            if isinstance(value, list):
                yield f"{len(value):,}"
    reasons = [row["reason"] for found in _objects(values) for row in found.get("skipped", ()) if "reason" in row]
    yield from (f"{reasons.count(reason):,}" for reason in set(reasons))


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
        yield values[:12]  # a commit
    if isinstance(values, dict):
        yield from values  # names of files
    for value in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _texts(value)
