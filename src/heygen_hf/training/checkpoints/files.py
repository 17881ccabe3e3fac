"""Checkpoint folders that are complete or absent, never half-written."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

MARKER = "complete.json"
STAGING = ".staging"
# A classifier's first forward writes its `problem_type` into the configuration.
_NOT_ARCHITECTURE = {"architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "problem_type"}
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")


def publish_checkpoint(staged: Path, final: Path) -> None:
    """Turn a finished staging folder into a checkpoint: flush every file, write the marker, rename.

    The marker lists each file's size; it is written last and the rename is atomic, so a kill at any instant leaves
    either the whole checkpoint or a staging folder that the next save removes.
    """
    sizes = {}
    for file in sorted(path for path in staged.rglob("*") if path.is_file()):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
        sizes[file.relative_to(staged).as_posix()] = file.stat().st_size
    marker = staged / MARKER
    with marker.open("w") as handle:
        json.dump({"files": sizes}, handle, indent=1)
        handle.flush()
        os.fsync(handle.fileno())
    if final.exists():
        shutil.rmtree(final)
    staged.replace(final)
    _fsync_folder(final.parent)


def checkpoint_problem(checkpoint: Path) -> str | None:
    """Why a folder cannot be resumed from, or None when it is whole."""
    marker = checkpoint / MARKER
    if not marker.is_file():
        return f"it has no {MARKER}, so it was never finished"
    try:
        files: dict[str, int] = json.loads(marker.read_text())["files"]
    except (ValueError, KeyError, TypeError):
        return f"its {MARKER} is not readable"
    for name, size in files.items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != size:
            return f"{name} has {file.stat().st_size} bytes instead of {size}"
    return None


def check_same_architecture(checkpoint: Path, config: PreTrainedConfig) -> None:
    """Compare the configuration beside a checkpoint's weights with the model's, before anything is loaded.

    Raises:
        ValueError: they differ; names the first field that does.
    """
    file = checkpoint / "config.json"
    saved = json.loads(file.read_text()) if file.is_file() else {}
    ours = json.loads(config.to_json_string(use_diff=False))
    for name, value in _architecture(saved).items():
        if not _same(value, ours.get(name)):
            raise ValueError(
                f"{checkpoint.name} is of another model: its {name} is {value!r}, the recipe's is {ours.get(name)!r}. "
                "Resume with its own recipe or start anew in another output_dir."
            )


def _architecture(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _NOT_ARCHITECTURE and not name.startswith("_")}


def _same(saved: Any, ours: Any) -> bool:
    """Whether all that was saved is as it is now; within the configurations of a model's parts too."""
    if isinstance(saved, dict) and isinstance(ours, dict):
        return all(_same(value, ours.get(name)) for name, value in _architecture(saved).items())
    return saved == ours


def newest_checkpoint(checkpoints: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint under a folder, and a line about each newer one that is torn."""
    found = sorted(
        (
            (int(match[1]), path)
            for path in checkpoints.glob("checkpoint-*")
            if (match := _CHECKPOINT.search(path.name))
        ),
        reverse=True,
    )
    warnings = []
    for _, path in found:
        problem = checkpoint_problem(path)
        if problem is None:
            return path, warnings
        warnings.append(f"{path.name} is ignored: {problem}.")
    return None, warnings


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
