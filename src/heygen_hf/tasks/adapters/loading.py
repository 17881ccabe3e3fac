"""An exported adapter on its base again."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from peft import PeftConfig, PeftModel, prepare_model_for_kbit_training
from transformers import AutoConfig, BitsAndBytesConfig

from heygen_hf._optional import require
from heygen_hf.tasks.adapters.export import BASE_CONFIG


def load_adapters(model_class: Any, folder: str | Path, *, base: str | None = None) -> PeftModel:
    """The base of an adapter with the adapter on it, in eval mode; peft's own `AutoPeftModelFor…` load it as well.

    Args:
        model_class: of the base, or an Auto class for it.
        folder: what `export_adapters` wrote.
        base: folder or Hub name of the base; by default the one named in `adapter_config.json`, or where that is
            not there, `model.pretrained` of the `recipe.yaml` beside it.

    Raises:
        ValueError: there is no adapter, or its base is not found.
    """
    folder = Path(folder)
    if not (folder / "adapter_config.json").is_file():
        raise ValueError(f"{folder} holds no adapter (no adapter_config.json).")
    options = PeftConfig.from_pretrained(str(folder))
    base = base or _find_base(folder, options.base_model_name_or_path)
    loading: dict[str, Any] = {"dtype": torch.float32}  # as it was trained, whatever the base was saved in
    if (folder / BASE_CONFIG).is_file():
        held = json.loads((folder / BASE_CONFIG).read_text(encoding="utf-8"))
        quantization = held.pop("quantization_config", None)
        loading["config"] = AutoConfig.for_model(**held)
        if quantization is not None:
            require("bitsandbytes")
            loading |= {"quantization_config": BitsAndBytesConfig.from_dict(quantization), "dtype": torch.bfloat16}
    model = model_class.from_pretrained(base, **loading)
    if "quantization_config" in loading:  # as it was trained: what is not in 4 bits is in float32
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return PeftModel.from_pretrained(model, str(folder)).eval()


def _find_base(folder: Path, named: str) -> str:
    recipe = folder / "recipe.yaml"
    if not Path(named).exists() and recipe.is_file():
        section = (yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}).get("model") or {}
        named = section.get("pretrained") or named
    if Path(named).is_absolute() and not Path(named).is_dir():
        raise ValueError(f"the base model {named} of the adapter in {folder} is not there; give its place as base=…")
    return named
