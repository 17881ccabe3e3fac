"""Adapters: a pretrained model stays as it is, and a few weights beside it learn (the `peft` section of a recipe)."""

from heygen_hf.tasks.adapters.apply import apply_adapters, base_loading_options
from heygen_hf.tasks.adapters.export import export_adapters
from heygen_hf.tasks.adapters.loading import load_adapters
from heygen_hf.tasks.adapters.section import PeftSection
from heygen_hf.tasks.adapters.usage import usage_of_adapters

__all__ = [
    "PeftSection",
    "apply_adapters",
    "base_loading_options",
    "export_adapters",
    "load_adapters",
    "usage_of_adapters",
]
