"""Copying an export into a repository's folder and completing it there."""

import json
import shutil
from pathlib import Path

from heygen_hf.hub.card import copy_scrubbed, json_beside
from heygen_hf.hub.repo_folder.card import finish_card
from heygen_hf.hub.repo_folder.code_files import write_code_files
from heygen_hf.hub.repo_folder.exported import Exported, read_export, read_json_file


def write_repo_folder(source: Path, target: Path, *, repo_id: str, licence: str | None = None) -> Exported:
    """Write what would be pushed: the export's own files, code to load it without this package, and its card.

    Args:
        source: a run's folder, or any folder that `save_pretrained` wrote; nothing in it is changed.
        target: is replaced.
        repo_id: the name it will have, for the card's examples.
        licence: written into the card in place of the one there.

    Returns:
        What `target` holds.

    Raises:
        ValueError: no exported model in `source`, or `target` holds something else.
    """
    exported = read_export(source)
    if target.exists() and any(target.iterdir()) and not (target / ".repository").is_file():
        raise ValueError(f"{target} holds other files; name an empty folder, or one that is not there.")
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    (target / ".repository").touch()  # a mark that this folder may be replaced; never pushed
    figures = json_beside(source)
    for name in exported.files():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name in figures:
            copy_scrubbed(source / name, file)
        else:
            shutil.copyfile(source / name, file)  # follows links: a repository holds none
        file.chmod(0o644)
        if file.name in ("config.json", "model_index.json"):
            _forget_where_it_was(file)
    exported = read_export(target)
    write_code_files(exported, target)
    finish_card(target, exported, repo_id=repo_id, licence=licence)
    return read_export(target)


def _forget_where_it_was(path: Path) -> None:
    """A model that was loaded from a folder and saved again has that folder's path in its configuration."""
    values = read_json_file(path)
    named = str(values.get("_name_or_path") or "")
    if named and (Path(named).exists() or Path(named).is_absolute()):
        del values["_name_or_path"]
        path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
