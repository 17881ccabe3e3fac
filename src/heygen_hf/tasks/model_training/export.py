"""The model of a run as a folder that loads with `from_pretrained`, with what reads its inputs beside it."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from heygen_hf.hub import write_model_reference
from heygen_hf.tasks.run_folder import RunFolder


def export_model(model: Any, folder: RunFolder, *, processors: Sequence[Any], peft: Any | None) -> PreTrainedModel:
    """Write the weights that the model holds now, in float32, and its tokenizer and processors.

    Beside them a reference: what the model in memory makes of inputs that were drawn, see `write_model_reference`.

    Returns:
        The model to measure: with adapters that were merged, the merged one.
    """
    if peft is not None:
        from heygen_hf.tasks.adapters import export_adapters

        model = export_adapters(model, folder.path, peft)
    else:
        # The choice of attention is this machine's; where the model is loaded, transformers' default applies.
        model.save_pretrained(str(folder.path), safe_serialization=True)
    for processor in processors:
        processor.save_pretrained(str(folder.path))
    if peft is None or peft.merge:
        write_model_reference(model, folder.path)
    return model
