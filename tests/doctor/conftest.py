"""Run folders written by hand: a log of a known course."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """`write_run(entries, training={…}, facts={…}, finished=True)` → the folder."""

    def write(
        entries: list[dict[str, Any]],
        *,
        training: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
        finished: bool = False,
    ) -> Path:
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        recipe = {"task": "text_to_video", "training": {"max_steps": 100, "eval_steps": 50, **(training or {})}}
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        (folder / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        if facts is not None or finished:
            (folder / "run.json").write_text(json.dumps({"steps": 100, **(facts or {})}))
        if finished:
            for name in ("README.md", "metrics.json", "model_index.json"):
                (folder / name).write_text("{}")
        return folder

    return write


@pytest.fixture
def healthy() -> list[dict[str, Any]]:
    """A loss that falls, gradients and rates that are in order, two evaluations."""
    entries = [
        {"step": step, "loss": 2.0 / step, "grad_norm": 0.5, "learning_rate": 1e-3, "data_wait_share": 0.01}
        for step in range(5, 101, 5)
    ]
    for step in (50, 75, 100):
        entries.append({"step": step, "eval_loss": 1.0 - step / 200})
    return entries
