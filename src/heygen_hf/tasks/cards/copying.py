"""A card with what it points to, in a folder of its own: to be read where the model itself does not lie."""

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from heygen_hf.hub import copy_scrubbed, files_beside, json_beside

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_SETTINGS = "model_index.json"
COPIED_FILES = "copied_files.json"
"""In the copy's folder: the names of the files that are copies, and may be replaced or removed by the next one."""


def copy_card(run: str | Path, target: str | Path) -> list[Path]:
    """Copy a run's card, the JSON files with its figures, scrubbed, and the pictures and videos it shows.

    Args:
        target: made where it is not there; what an earlier copy wrote into it and this one does not is removed, and
            nothing else is.

    Returns:
        The files written, without `COPIED_FILES`.

    Raises:
        ValueError: no card there, or a `target` that is the run's own or holds files of someone else's.
    """
    run, target = Path(run), Path(target)
    card = run / "README.md"
    if not card.is_file():
        raise ValueError(f"{run} holds no card (no README.md): write it with heygen-hf card {run}.")
    earlier = check_copy_target(run, target)
    text = card.read_text(encoding="utf-8")
    links = [unquote(found["target"]) for found in _LINK.finditer(text)]
    shown = [name for name in dict.fromkeys(links) if "://" not in name and _lies_in(run, name)]
    figures = [*json_beside(run), *([_SETTINGS] if (run / _SETTINGS).is_file() else [])]
    names = list(dict.fromkeys(["README.md", *figures, *files_beside(run), *shown]))
    own = next((name for name in names if (target / name).exists() and name not in earlier), None)
    if own is not None:
        raise ValueError(f"{target}/{own} was there before and is no copy; move it away, or name another folder.")
    # first what may be there at all, so that a copy that was cut short can be made again
    _write_list(target, list(dict.fromkeys([*earlier, *names])))
    for name in earlier:
        if name not in names:
            (target / name).unlink(missing_ok=True)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name in figures:
            copy_scrubbed(run / name, target / name)
        else:
            shutil.copyfile(run / name, target / name)
    _write_list(target, names)
    return [target / name for name in names]


def check_copy_target(run: str | Path, target: str | Path) -> list[str]:
    """Whether a run's card may be copied there, before anything is written.

    Returns:
        The files that an earlier copy wrote.

    Raises:
        ValueError: it is the run's folder, inside it or around it, or holds files that are no copies.
    """
    target = Path(target)
    source, place = Path(run).resolve(), target.resolve()
    if source.is_relative_to(place) or place.is_relative_to(source):
        raise ValueError(f"{target} is the run's own folder, in it or around it; name one apart from {run}.")
    if not target.exists():
        return []
    if not target.is_dir():
        raise ValueError(f"{target} is no folder; name an empty one, or one that is not there.")
    if (target / COPIED_FILES).is_file():
        return _earlier_copies(target)
    if any(target.iterdir()):
        raise ValueError(
            f"{target} holds files, and no {COPIED_FILES} that says which of them are copies; name an empty folder, or "
            "one that is not there."
        )
    return []


def _earlier_copies(target: Path) -> list[str]:
    try:
        names = json.loads((target / COPIED_FILES).read_text(encoding="utf-8"))["files"]
    except (ValueError, KeyError, TypeError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and _is_within(target, name) for name in names):
        raise ValueError(f"{target}/{COPIED_FILES} is no list of files in this folder; name an empty folder.")
    return names


def _is_within(target: Path, name: str) -> bool:
    """Of a list that anyone may have edited: nothing outside the folder is removed for it."""
    path = PurePosixPath(name)
    is_plain = bool(name) and "\0" not in name and not path.is_absolute() and ".." not in path.parts
    return is_plain and (target / name).parent.resolve().is_relative_to(target.resolve())


def _write_list(target: Path, names: Sequence[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"files": list(names)}, indent=2, ensure_ascii=False)
    (target / COPIED_FILES).write_text(f"{text}\n", encoding="utf-8")


def _lies_in(run: Path, name: str) -> bool:
    path = run / name
    return path.is_file() and path.resolve().is_relative_to(run.resolve())
