"""What a run's folder says of it, read with patience: a run that was killed leaves half a line."""

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class RunRecords:
    """A run as its folder tells it.

    Attributes:
        path: the folder.
        recipe: of `recipe.yaml`, plain values; empty where there is none.
        entries: of `log.jsonl`, in their order.
        facts: of `run.json`, written when training is done; empty before.
    """

    path: Path
    recipe: dict[str, Any]
    entries: list[dict[str, Any]]
    facts: dict[str, Any]

    @property
    def training(self) -> dict[str, Any]:
        """The recipe's `training` section."""
        return self.recipe.get("training") or {}

    @property
    def max_steps(self) -> int | None:
        """That the recipe asks for; None where it counts epochs."""
        steps = self.training.get("max_steps", -1)
        return steps if isinstance(steps, int) and steps > 0 else None

    @property
    def last_step(self) -> int:
        """Of the log; 0 before its first entry."""
        return max((int(entry.get("step", 0)) for entry in self.entries), default=0)

    def series(self, key: str) -> tuple[list[int], list[float]]:
        """Steps and values of a key of the log; what is no number is NaN."""
        found = [(int(entry.get("step", 0)), _number(entry[key])) for entry in self.entries if key in entry]
        return [step for step, _ in found], [value for _, value in found]

    def keys(self, *, prefix: str = "") -> list[str]:
        """Keys of the log that hold numbers, in the order they first stand there."""
        return [
            key
            for key in dict.fromkeys(key for entry in self.entries for key in entry)
            if key.startswith(prefix) and any(isinstance(entry.get(key), int | float) for entry in self.entries)
        ]


def read_run(path: str | Path) -> RunRecords:
    """The records of the run at `path`.

    Raises:
        ValueError: there is no run.
    """
    path = Path(path)
    if not path.is_dir():
        raise ValueError(f"there is no run at {path}: name the folder that heygen-hf train made.")
    if (path / "study.db").is_file():
        raise ValueError(f"{path} is a search, not a run: its trials are in {path / 'trials'}, each with a log.")
    held = (path / "recipe.yaml", path / "log.jsonl")
    if not any(file.is_file() for file in held):
        raise ValueError(f"{path} is no run (neither recipe.yaml nor log.jsonl in it).")
    try:
        recipe = yaml.safe_load(held[0].read_text(encoding="utf-8")) if held[0].is_file() else {}
        facts = json.loads((path / "run.json").read_text(encoding="utf-8")) if (path / "run.json").is_file() else {}
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path}: recipe.yaml or run.json is not readable ({' '.join(str(error).split())})") from error
    return RunRecords(path, recipe if isinstance(recipe, dict) else {}, _read_log(held[1]), facts)


def _read_log(path: Path) -> list[dict[str, Any]]:
    entries = []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _number(value: Any) -> float:
    """Also of "nan" and null, which stand for a value that JSON cannot hold."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def tail(values: Sequence[float], share: float = 0.1, *, fewest: int = 3) -> list[float]:
    """The last share of the values, some at least."""
    return list(values[-max(fewest, round(len(values) * share)) :])


def typical(values: Sequence[float]) -> float:
    """The median of what is finite; NaN where nothing is."""
    finite = [value for value in values if math.isfinite(value)]
    return statistics.median(finite) if finite else math.nan
