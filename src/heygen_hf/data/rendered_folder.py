"""A rendered data set appears whole or not at all, and is used again where its options are the same."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock

OPTIONS_FILE = "rendering.json"


def render_whole(
    output_dir: str | os.PathLike,
    write: Callable[[Path], None],
    *,
    name: str,
    options: Mapping[str, Any],
    num_clips: Mapping[str, int],
    overwrite: bool,
    progress: bool,
) -> Path:
    """Have a folder written beside its place, and put there when it is finished.

    Args:
        output_dir: created, its parents too.
        write: fills the empty folder it is given: a subfolder for each split with clips and `metadata.jsonl`.
        name: of the kind of set, such as "moving digits".
        options: what decides the contents, `kind` among them; kept in the folder. A finished set with equal
            ones is left as it is.
        num_clips: of each split, which a finished set has.
        overwrite: replace a set with other options. Never replaces a folder that holds something else.
        progress: say when a set is reused.

    Returns:
        `output_dir`.

    Raises:
        ValueError: the folder holds something else.
    """
    output_dir = Path(output_dir)
    output_dir.absolute().parent.mkdir(parents=True, exist_ok=True)
    partial = output_dir.absolute().with_name(f".{output_dir.absolute().name}.partial")
    with FileLock(partial.with_suffix(".lock")):  # two of us: the second finds the first one's finished set
        if _may_be_reused(output_dir, name=name, options=options, num_clips=num_clips, overwrite=overwrite):
            if progress:
                print(f"{output_dir} already holds these {name}; using them")
            return output_dir
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        try:
            partial.mkdir()
            write(partial)
            (partial / OPTIONS_FILE).write_text(json.dumps(dict(options), indent=2) + "\n", "utf-8")
            if output_dir.exists():  # empty, or a set that may be overwritten
                shutil.rmtree(output_dir)
            os.replace(partial, output_dir)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return output_dir


def _may_be_reused(
    output_dir: Path, *, name: str, options: Mapping[str, Any], num_clips: Mapping[str, int], overwrite: bool
) -> bool:
    """True: the set is there. False: the place is free, or may be made free.

    Raises:
        ValueError: neither, with the reason.
    """
    if not output_dir.exists():
        return False
    if not output_dir.is_dir():
        raise ValueError(f"{output_dir} is a file; choose another output_dir")
    if not any(output_dir.iterdir()):
        return False
    try:
        found = json.loads((output_dir / OPTIONS_FILE).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.get("kind") != options.get("kind"):
            raise ValueError("the options of something else")
    except (OSError, ValueError):
        raise ValueError(
            f"{output_dir} exists and holds no finished set of {name}; choose another output_dir, or remove it"
        ) from None
    differing = sorted(key for key in {*options, *found} if found.get(key) != options.get(key))
    if differing:
        if overwrite:
            return False
        shown = ", ".join(
            f"{key} {found.get(key, 'unset')} instead of {options.get(key, 'unset')}" for key in differing
        )
        raise ValueError(f"{output_dir} holds {name} with {shown}; set overwrite, or choose another output_dir")
    for split, number in num_clips.items():
        folder = output_dir / split
        num_found = sum(entry.name.endswith(".mp4") for entry in os.scandir(folder)) if folder.is_dir() else 0
        if num_found != number or not (folder / "metadata.jsonl").is_file():
            if overwrite:
                return False
            raise ValueError(f"{folder} has {num_found} of its {number} clips; set overwrite to render them again")
    return True
