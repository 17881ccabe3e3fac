"""Checkpoint folders that are complete or absent, never half-written."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

MARKER = "complete.json"
# Beside the checkpoints, and gone whenever nothing is being saved:
STAGING = ".staging"  # what is being written
REPLACED = ".replaced"  # a whole checkpoint, while another of the same step takes its place
DISCARDED = ".discarded"  # what is being deleted
# A classifier's first forward writes its `problem_type` into the configuration.
_NOT_ARCHITECTURE = {"architectures", "transformers_version", "dtype", "torch_dtype", "use_cache", "problem_type"}
_CHECKPOINT = re.compile(r"checkpoint-(\d+)$")


def publish_checkpoint(staged: Path, final: Path) -> None:
    """Turn a finished staging folder into a checkpoint: flush every file and folder, write the marker, rename.

    The marker lists each file's size and SHA-256; it is written last and the rename is atomic, so a kill at any instant
    leaves either the whole checkpoint or a staging folder that the next start removes. A checkpoint of the same step
    is put aside first, and `tidy_checkpoints` puts it back where a kill comes between.
    """
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    for file in files:
        _flush(file)
    listed = {
        file.relative_to(staged).as_posix(): {"bytes": file.stat().st_size, "sha256": digest}
        for file, digest in zip(files, _hashes(files), strict=True)
    }
    (staged / MARKER).write_text(json.dumps({"files": listed}, indent=1))
    _flush(staged / MARKER)
    for folder in (*(path for path in staged.rglob("*") if path.is_dir()), staged):
        _flush(folder)
    aside = final.parent / REPLACED
    if final.exists():
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        final.replace(aside / final.name)
    staged.replace(final)
    _flush(final.parent)
    shutil.rmtree(aside, ignore_errors=True)


def discard_checkpoint(checkpoint: Path) -> None:
    """Delete a checkpoint: renamed away first, so that a kill leaves nothing that looks like one."""
    trash = checkpoint.parent / DISCARDED
    shutil.rmtree(trash, ignore_errors=True)
    trash.mkdir(exist_ok=True)
    checkpoint.replace(trash / checkpoint.name)
    _flush(checkpoint.parent)
    shutil.rmtree(trash, ignore_errors=True)


def tidy_checkpoints(checkpoints: Path) -> None:
    """Take away what a kill during a save left, and put a checkpoint back whose successor never came."""
    for aside in checkpoints.glob(f"{REPLACED}/checkpoint-*"):
        if not (checkpoints / aside.name).exists():
            aside.replace(checkpoints / aside.name)
    for name in (STAGING, REPLACED, DISCARDED):
        shutil.rmtree(checkpoints / name, ignore_errors=True)


def drop_oldest(checkpoints: Path, *, keep: int | None, held: Iterable[Path]) -> None:
    """Delete checkpoints until `keep` are left: those without a marker first, then the oldest, `held` never."""
    if keep is None or keep <= 0:
        return
    found = _numbered(checkpoints)
    names = {path.name for path in held} & {path.name for _, path in found}
    surplus = len(found) - max(keep, len(names))
    for _, path in sorted(found, key=lambda of: ((of[1] / MARKER).is_file(), of[0])):
        if surplus > 0 and path.name not in names:
            _discard_if_possible(path)
            surplus -= 1


def drop_later(checkpoints: Path, *, step: int, held: Iterable[Path]) -> list[str]:
    """Delete checkpoints of later steps, the last one first, `held` never; their names."""
    names = {path.name for path in held}
    later = [path for number, path in sorted(_numbered(checkpoints), reverse=True) if number > step]
    return [path.name for path in later if path.name not in names and _discard_if_possible(path)]


def _discard_if_possible(checkpoint: Path) -> bool:
    try:
        discard_checkpoint(checkpoint)
    except OSError as error:
        print(f"warning: {checkpoint.name} could not be deleted ({error})")
        return False
    return True


def checkpoint_problem(checkpoint: Path) -> str | None:
    """Why a folder cannot be resumed from, or None when it is whole: every file has its size and its hash."""
    marker = checkpoint / MARKER
    if not marker.is_file():
        return f"it has no {MARKER}, so it was never finished"
    try:
        files = json.loads(marker.read_text())["files"]
        # Markers of the first versions hold sizes alone.
        listed = {name: facts if isinstance(facts, dict) else {"bytes": facts} for name, facts in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"its {MARKER} is not readable"
    for name, facts in listed.items():
        file = checkpoint / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != facts.get("bytes"):
            return f"{name} has {file.stat().st_size} bytes instead of {facts.get('bytes')}"
    hashed = [name for name, facts in listed.items() if "sha256" in facts]
    for name, digest in zip(hashed, _hashes([checkpoint / name for name in hashed]), strict=True):
        if digest != listed[name]["sha256"]:
            return f"{name} is damaged (its SHA-256 is another one)"
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
    warnings = []
    for _, path in sorted(_numbered(checkpoints), reverse=True):
        problem = checkpoint_problem(path)
        if problem is None:
            return path, warnings
        warnings.append(f"{path.name} is ignored: {problem}.")
    return None, warnings


def _numbered(checkpoints: Path) -> list[tuple[int, Path]]:
    matches = ((_CHECKPOINT.search(path.name), path) for path in checkpoints.glob("checkpoint-*"))
    return [(int(match[1]), path) for match, path in matches if match]


def _hashes(files: Sequence[Path]) -> list[str]:
    """SHA-256 of each file; on a processor with instructions for it, as fast as most disks read."""
    with ThreadPoolExecutor(4) as pool:  # hashing leaves the interpreter free
        facts = [file.stat() for file in files]
        return list(pool.map(_sha256, files, [of.st_size for of in facts], [of.st_mtime_ns for of in facts]))


@lru_cache(maxsize=4096)  # one start looks at a checkpoint twice: to choose it and to load it
def _sha256(file: Path, _size: int, _modified_ns: int) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _flush(path: Path) -> None:
    """Have a file's or a folder's content on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
