"""The reference of a repository whose export wrote none."""

import importlib

from heygen_hf.hub.model_reference import write_model_reference
from heygen_hf.hub.repo_folder import Exported


def ensure_reference(exported: Exported) -> bool:
    """Where a model has no reference, make one with the weights as they load here.

    Returns:
        Whether one was made.

    Raises:
        ValueError: a pipeline without one: its export was never finished.
    """
    if (exported.path / "reference.safetensors").is_file():
        return False
    if exported.kind in ("pipeline", "pipeline_adapter"):
        raise ValueError(
            "the run has no reference.safetensors, which its export writes last: finish it with --resume auto."
        )
    if exported.kind == "adapter":
        return False
    name = str(exported.config.get("_class_name") or (exported.config.get("architectures") or [""])[0])
    for module in ("heygen_hf.models", "transformers", "diffusers"):
        model_class = getattr(importlib.import_module(module), name, None)
        if model_class is not None:
            try:
                model = model_class.from_pretrained(str(exported.path)).eval()
            except (OSError, ValueError, RuntimeError):
                return False  # the gate says what is wrong with it
            return write_model_reference(model, exported.path)
    return False
