"""A card with what it points to, in a folder of its own: to be read where the model itself does not lie."""

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

from heygen_hf.hub import copy_scrubbed, files_beside, json_beside

_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_SETTINGS = "model_index.json"


def copy_card(run: str | Path, target: str | Path) -> list[Path]:
    """Copy a run's card, the JSON files with its figures, scrubbed, and the pictures and videos it shows.

    Args:
        target: made where it is not there; what an earlier copy left in it and this one has not is removed.

    Returns:
        The files written.

    Raises:
        ValueError: no card there, or a `target` that holds something other than a card.
    """
    run, target = Path(run), Path(target)
    card = run / "README.md"
    if not card.is_file():
        raise ValueError(f"{run} holds no card (no README.md): write it with heygen-hf card {run}.")
    if target.exists() and any(target.iterdir()) and not (target / "README.md").is_file():
        raise ValueError(f"{target} holds other files and no card; name an empty folder, or one that is not there.")
    text = card.read_text(encoding="utf-8")
    links = [unquote(found["target"]) for found in _LINK.finditer(text)]
    shown = [name for name in dict.fromkeys(links) if "://" not in name and _lies_in(run, name)]
    figures = [*json_beside(run), *([_SETTINGS] if (run / _SETTINGS).is_file() else [])]
    names = list(dict.fromkeys(["README.md", *figures, *files_beside(run), *shown]))
    _remove_earlier(target)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if name in figures:
            copy_scrubbed(run / name, target / name)
        else:
            shutil.copyfile(run / name, target / name)
    return [target / name for name in names]


def _lies_in(run: Path, name: str) -> bool:
    path = run / name
    return path.is_file() and path.resolve().is_relative_to(run.resolve())


def _remove_earlier(target: Path) -> None:
    for pattern in ("*.json", "evaluation/*.json", "evaluation/*.png", "samples/*"):
        for path in target.glob(pattern):
            if path.is_file():
                path.unlink()
