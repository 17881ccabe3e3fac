"""What a network in memory makes of some inputs, kept beside it: whoever loads it can make it again and compare.

The inputs are drawn, not taken from anyone's data.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from heygen_hf.hub.gate.loading_program import outputs_of
from heygen_hf.hub.gate.manifest import hash_model_files

_SEED = 0


def write_model_reference(model: Any, folder: str | Path) -> bool:
    """Write `reference.safetensors` (inputs and outputs) and `reference.json` beside an exported model.

    Args:
        model: of transformers or an autoencoder of diffusers, as it was saved.

    Returns:
        Whether it was written: for a network whose inputs are not known there is no reference.
    """
    folder = Path(folder)
    inputs = example_inputs(model)
    if inputs is None:
        return False
    was_training = model.training
    device = next(model.parameters()).device
    # Compiled blocks round in their own way; whoever loads the folder has none.
    try:
        with torch.compiler.set_stance("force_eager"):
            outputs = outputs_of(model, {name: tensor.to(device) for name, tensor in inputs.items()})
    except (ValueError, TypeError, RuntimeError):
        return False
    finally:
        model.train(was_training)
    tensors = {f"input.{name}": tensor for name, tensor in inputs.items()}
    tensors |= {f"output.{name}": tensor.cpu().clone() for name, tensor in outputs.items()}
    save_file(tensors, str(folder / "reference.safetensors"))
    about = {
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "device": device.type,
        "compiled": False,
        "files": hash_model_files(folder),
    }
    (folder / "reference.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return True


def example_inputs(model: Any) -> dict[str, torch.Tensor] | None:
    """Small inputs of the right kind; None for a network of an unknown kind."""
    generator = torch.Generator().manual_seed(_SEED)
    config = model.config
    if hasattr(model, "encode") and hasattr(model, "decode"):
        return {"sample": _uniform((1, config.in_channels, 9, 32, 32), generator)}
    if getattr(config, "model_type", None) == "conv_video_encoder":
        return {"pixel_values": _uniform((1, 8, config.num_channels, 32, 32), generator)}
    if getattr(config, "model_type", None) == "heygen_multimodal_fusion":
        return _of_several(config, generator)
    if getattr(config, "vocab_size", None) and "input_ids" in getattr(model, "main_input_name", ""):
        return _text(config.vocab_size, generator)
    return None


def _of_several(config: Any, generator: torch.Generator) -> dict[str, torch.Tensor] | None:
    inputs: dict[str, torch.Tensor] = {}
    if config.text_config is not None:
        inputs |= _text(config.text_config.vocab_size, generator)
    writes = config.text_config is None or config.answer_by == "generation"
    if config.decoder_config is not None and writes:  # what it is asked to have written
        inputs["labels"] = _text(config.decoder_config.vocab_size, generator)["input_ids"]
    if config.video_config is not None:
        channels = getattr(config.video_config, "num_channels", 3)
        inputs["pixel_values"] = _uniform((2, 8, channels, 32, 32), generator)
    if config.audio_config is not None:
        inputs["audio_values"] = _uniform((2, 8000), generator)
    return inputs or None


def _text(vocab_size: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
    words = torch.randint(min(5, vocab_size - 1), vocab_size, (2, 12), generator=generator)
    return {"input_ids": words, "attention_mask": torch.ones_like(words)}


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * 2 - 1
