"""Adapters are published as adapters: what has to be true of one, and how the gate loads it."""

from pathlib import Path
from typing import Any

from safetensors import safe_open

from heygen_hf.hub.gate import Check
from heygen_hf.hub.push.target import check_repo_id
from heygen_hf.hub.repo_folder import Exported

_AUTO = {
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_CLS": "AutoModelForSequenceClassification",
    "TOKEN_CLS": "AutoModelForTokenClassification",
}


def check_adapter(exported: Exported, *, base: str | None) -> list[Check]:
    """Its base has a name that others can load, and its file holds an adapter and no whole model."""
    named = str(exported.config.get("base_model_name_or_path") or "")
    problem = None
    try:
        check_repo_id(named)
    except ValueError:
        problem = (
            f"its base is called {named!r}, which is nothing on the Hub: publish the base first and give its name with "
            "--base-model USER/NAME"
        )
    if problem is None and base is None and Path(named).is_dir():
        problem = f"its base {named!r} is a folder here: publish it first and give its name with --base-model USER/NAME"
    with safe_open(exported.path / "adapter_model.safetensors", framework="pt") as file:
        keys = list(file.keys())
    marks = ("lora_", "prompt_embeddings", "modules_to_save", "classifier", "score", "base_model.")
    strange = sorted(key for key in keys if not any(mark in key for mark in marks))
    return [
        Check("adapter: base", problem),
        Check("adapter: weights", f"{strange[0]} is no weight of an adapter" if strange else None),
    ]


def adapter_way(exported: Exported, base_folder: Path | None) -> tuple[tuple[str, ...], dict[str, Any]]:
    """How `load_in_clean_process` loads it on a base that lies here; nothing where none does."""
    if base_folder is None or not base_folder.is_dir():
        return (), {}
    extra = {"adapter_class": _AUTO.get(str(exported.config.get("task_type")), "AutoModel")}
    if (exported.path / "base_config.json").is_file():
        extra["base_config"] = str((exported.path / "base_config.json").resolve())
    return (f"adapter:{base_folder.resolve()}",), extra
