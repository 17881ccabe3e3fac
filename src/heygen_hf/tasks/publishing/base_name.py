"""The base of an adapter: its name on the Hub, and where it lies here."""

import json
from pathlib import Path

from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.hub.repo_folder import Exported, read_export


def name_base(exported: Exported, base_model: str | None) -> tuple[Exported, Path | None]:
    """Write the base's name on the Hub into the repository's folder.

    Args:
        exported: the repository's folder.
        base_model: the name; None leaves the one that the adapter has.

    Returns:
        The folder as it is now, and the folder of the base where the adapter names one that lies here.
    """
    named = str(exported.config.get("base_model_name_or_path") or "")
    local = Path(named) if named and Path(named).is_dir() else None
    if base_model is not None:
        check_repo_id(base_model)
        path = exported.path / "adapter_config.json"
        path.write_text(
            json.dumps({**exported.config, "base_model_name_or_path": base_model}, indent=2) + "\n", encoding="utf-8"
        )
        card = exported.path / "README.md"
        if card.is_file():
            text = card.read_text(encoding="utf-8")
            if "\nbase_model:" not in text:
                card.write_text(text.replace("---\n", f"---\nbase_model: {base_model}\n", 1), encoding="utf-8")
    return read_export(exported.path), local
