"""All that can be checked of a repository's folder without loading it elsewhere."""

import importlib
from pathlib import Path
from typing import Any

from heygen_hf.hub.gate.card import check_card
from heygen_hf.hub.gate.code import check_code
from heygen_hf.hub.gate.files import MAX_FILE_BYTES, check_files
from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.gate.inputs import check_inputs
from heygen_hf.hub.gate.manifest import hash_file
from heygen_hf.hub.gate.weights import check_weights
from heygen_hf.hub.repo_folder import Exported
from heygen_hf.hub.repo_folder.exported import read_json_file


def check_folder(
    exported: Exported, *, source: Path | None = None, max_file_bytes: int = MAX_FILE_BYTES
) -> list[Check]:
    """Files, weights, code, processor, tokenizer and card of a repository's folder.

    Args:
        source: the run's folder it was made from: its model's files must still be those that the export wrote.
    """
    checks = check_files(exported.path, max_file_bytes=max_file_bytes)
    if source is not None:
        checks.append(Check("as exported", _change_since_export(source)))
    reference = exported.path / "reference.json"
    dtype = read_json_file(reference).get("dtype") if reference.is_file() else None
    if exported.kind == "pipeline_adapter":
        pass  # against its base: by whoever has that
    elif exported.kind == "pipeline":
        for name, (_, class_name) in exported.components.items():
            if (exported.path / name / "config.json").is_file():
                model_class = _class_named(class_name)
                checks += check_weights(exported.path / name, name=name, model_class=model_class, dtype=dtype)
    else:
        model_class = _class_named(_class_of(exported)) if exported.kind != "adapter" else None
        checks += check_weights(exported.path, name="weights", model_class=model_class, dtype=dtype)
    checks += check_inputs(exported)
    checks.append(check_code(exported.path))
    return [*checks, *check_card(exported.path)]


def _change_since_export(source: Path) -> str | None:
    """Exports before this one wrote no hashes; the reference alone speaks for them."""
    record = source / "reference.json"
    written = read_json_file(record).get("files", {}) if record.is_file() else {}
    for name, expected in written.items():
        path = source / name
        if not path.is_file():
            return f"{name} is gone since the export"
        if hash_file(path) != expected:
            return f"{name} was changed since the export"
    return None


def _class_of(exported: Exported) -> str:
    return str(exported.config.get("_class_name") or (exported.config.get("architectures") or [""])[0])


def _class_named(name: str) -> Any:
    for module in ("heygen_hf.models", "transformers", "diffusers"):
        found = getattr(importlib.import_module(module), name, None)
        if found is not None:
            return found
    return None
