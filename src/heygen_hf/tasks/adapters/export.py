"""Trained adapters as a folder: what peft loads, or the merged model."""

import copy
from pathlib import Path

from accelerate.utils import extract_model_from_parallel
from peft import PeftModel
from transformers import PreTrainedModel

from heygen_hf.hub import scrub_command
from heygen_hf.tasks.adapters.section import PeftSection

BASE_CONFIG = "base_config.json"
"""The configuration of the base as it was trained: `config.json` would make the folder a whole model."""


def export_adapters(model: PeftModel, folder: str | Path, section: PeftSection) -> PreTrainedModel | PeftModel:
    """Write the adapter that the model holds now, or with `section.merge` the model with it added to its weights.

    An adapter is `adapter_config.json` and `adapter_model.safetensors`. The base is named as the recipe names it,
    which peft finds again from the same working directory; of a path elsewhere on this machine only the last part is
    written, since the folder may be published.

    Returns:
        What was written, ready to be measured: a merged copy, or `model` itself.
    """
    folder = Path(folder)
    # Without the trainer's autocast around it, so that it is measured as it will be when it is loaded.
    model = extract_model_from_parallel(model, keep_fp32_wrapper=False)
    if section.merge:
        merged = copy.deepcopy(model).merge_and_unload()
        merged.save_pretrained(str(folder))
        return merged
    options = model.peft_config[model.active_adapter]
    named = options.base_model_name_or_path
    options.base_model_name_or_path = public_name(str(named))
    try:
        # "auto" asks the Hub for the base's vocabulary; embeddings are never adapted unless they are named.
        model.save_pretrained(str(folder), save_embedding_layers=bool(_embeddings_named(section)))
    finally:
        options.base_model_name_or_path = named
    model.get_base_model().config.to_json_file(str(folder / BASE_CONFIG))
    return model


def public_name(base: str) -> str:
    """A Hub name or a relative path as it is; an absolute path relative to the working directory, or its last part."""
    return scrub_command(["base", base]).removeprefix("base ").strip("'")


def _embeddings_named(section: PeftSection) -> list[str]:
    named = [section.target_modules] if isinstance(section.target_modules, str) else section.target_modules or []
    return [name for name in (*named, *(section.modules_to_save or [])) if "embed" in name]
