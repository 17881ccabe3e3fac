"""LoRAs of published pipelines: their base by its name on the Hub, and what has to be true of their file."""

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from heygen_hf.hub.gate import Check
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.hub.repo_folder import Exported, read_export

_HEADER_KEYS = ("base_model", "base_revision")
_PARTS = {"lora_A.weight", "lora_B.weight", "lora_magnitude_vector"}


@dataclass(frozen=True)
class NamedBase:
    """The base of an adapter.

    Attributes:
        folder: where it lies here; None where it is not there, for which `problem` says why.
        problem: what is wrong with it.
    """

    folder: Path | None
    problem: str | None = None


def find_named_base(run: Path, exported: Exported, base_model: str | None) -> tuple[Exported, NamedBase]:
    """Find the base where the run says, and write its name on the Hub into the repository's folder.

    Args:
        run: what is published; its recipe may know where the base lies.
        exported: the repository's folder.
        base_model: `USER/NAME` or `USER/NAME@REVISION` in place of the name that the adapter has.

    Returns:
        The folder as it is now, and its base.

    Raises:
        ValueError: a malformed name.
    """
    from heygen_hf.tasks.finetuning.loading import find_adapter_base

    if base_model is not None:
        name, _, revision = base_model.partition("@")
        check_repo_id(name)
        _write_name(exported, name, revision or exported.config["base_revision"])
        exported = read_export(exported.path)
    try:
        return exported, NamedBase(find_adapter_base(run).folder)
    except ValueError as error:
        return exported, NamedBase(None, str(error))


def _write_name(exported: Exported, name: str, revision: str | None) -> None:
    """Into `base_pipeline.json`, the headers of the weights and the card."""
    from heygen_hf.hub.gate.manifest import hash_file
    from heygen_hf.tasks.finetuning.adapter.lora import add_to_header
    from heygen_hf.tasks.finetuning.card import UNNAMED_BASE

    folder = exported.path
    values = {**exported.config, "base_model": name, "base_revision": revision}
    _write_json(folder / "base_pipeline.json", values)
    record = json.loads((folder / "reference.json").read_text(encoding="utf-8"))
    for file in sorted(folder.glob("*.safetensors")):
        if file.name != "reference.safetensors":
            add_to_header(file, {key: values[key] for key in _HEADER_KEYS})
            record.get("files", {})[file.name] = hash_file(file)
    _write_json(folder / "reference.json", record)
    card = folder / "README.md"
    if card.is_file():
        text = card.read_text(encoding="utf-8").replace(UNNAMED_BASE, name)
        if "\nbase_model:" not in text:
            text = text.replace("---\n", f"---\nbase_model: {name}\n", 1)
        card.write_text(text, encoding="utf-8", newline="\n")


def check_pipeline_adapter(exported: Exported, base: NamedBase) -> list[Check]:
    """Its base has a name that others can load and is the one it was trained on, and its file holds a LoRA alone."""
    return [
        Check("adapter: name of its base", _name_problem(exported)),
        Check("adapter: base", base.problem),
        Check("adapter: weights", _weights_problem(exported, base.folder)),
    ]


def pipeline_adapter_job(base: NamedBase) -> dict[str, Any]:
    """What the clean process has to know beside the folder."""
    return {"base": str(Path(base.folder or "").resolve())}


def _name_problem(exported: Exported) -> str | None:
    named = str(exported.config.get("base_model") or "")
    try:
        check_repo_id(named)
    except ValueError:
        return (
            f"its base is called {named!r}, which is nothing on the Hub: give the name of the pipeline it was trained "
            "on with --base-model USER/NAME"
        )
    if Path(named).is_dir():
        return f"its base {named!r} is a folder here: give its name on the Hub with --base-model USER/NAME"
    return None


def _weights_problem(exported: Exported, base: Path | None) -> str | None:
    path = exported.path / str(exported.config["weights"])
    if not path.is_file():
        return f"there is no {path.name}"
    try:
        parts: dict[str, set[str]] = defaultdict(set)
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 (no mapping)
                layer, dot, part = key.rpartition(".lora_")
                if not dot or f"lora_{part}" not in _PARTS or not key.startswith("transformer."):
                    return f"{key} is no weight of a LoRA of the transformer"
                parts[layer.removeprefix("transformer.")].add(f"lora_{part}")
        layers = _layers_of(base) if base is not None else None
    except SafetensorError as error:
        return f"a file of weights cannot be read ({error})"
    if not parts:
        return f"{path.name} is empty"
    for layer, there in sorted(parts.items()):
        if layers is not None and layer not in layers:
            return f"the base has no layer {layer}, which {path.name} adapts"
        if not {"lora_A.weight", "lora_B.weight"} <= there:
            return f"{layer} has {', '.join(sorted(there))} alone"
    return None


def _layers_of(base: Path) -> set[str]:
    """Names of the layers with weights in a pipeline's transformer."""
    found: set[str] = set()
    for path in sorted((base / "transformer").glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found |= {key.removesuffix(".weight") for key in file.keys()}  # noqa: SIM118 (no mapping)
    return found


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
