"""Adapters in a transformer of diffusers: put in, counted, and written as diffusers reads them."""

from pathlib import Path

from peft import LoraConfig, get_peft_model_state_dict
from torch import nn

from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.tasks.finetuning.adapter_section import AdapterSection

WEIGHTS = "pytorch_lora_weights.safetensors"
ADAPTER = "default"


def add_adapter(family: GeneratorFamily, section: AdapterSection) -> None:
    """Put a fresh adapter, or `section.pretrained`, into the transformer; nothing but it has gradients.

    Raises:
        ValueError: a target matches no layer, or the adapter to go on from does not fit.
    """
    transformer = family.pipeline.transformer
    targets = list(section.target_modules or family.lora_targets)
    unmatched = [target for target in targets if not _matches(transformer, target)]
    if unmatched:
        some = sorted({".".join(name.split(".")[-2:]) for name, layer in _linear_layers(transformer)})[:12]
        raise ValueError(
            f"peft.target_modules: {', '.join(unmatched)} matches no layer of {type(transformer).__name__}; there are, "
            f"by the endings of their names, {', '.join(some)}, …"
        )
    if section.pretrained is not None:
        _load_adapter(family, section)
    else:
        transformer.add_adapter(
            LoraConfig(
                r=section.r,
                lora_alpha=section.lora_alpha,
                lora_dropout=section.lora_dropout,
                target_modules=targets,
                use_dora=section.method == "dora",
            ),
            adapter_name=ADAPTER,
        )
    for name, weight in transformer.named_parameters():
        weight.requires_grad_("lora_" in name)
        if weight.requires_grad:
            # In 16 bits small updates are lost.
            weight.data = weight.data.float()


def _load_adapter(family: GeneratorFamily, section: AdapterSection) -> None:
    assert section.pretrained is not None
    try:
        family.pipeline.load_lora_weights(section.pretrained, adapter_name=ADAPTER)
        found = family.pipeline.transformer.peft_config[ADAPTER]
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"peft.pretrained={section.pretrained} is no adapter of this model ({first_line})") from error
    if found.r != section.r:
        raise ValueError(
            f"peft.r={section.r}, and the adapter {section.pretrained} has rank {found.r}: set peft.r to it"
        )


def _linear_layers(transformer: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, layer) for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)]


def _matches(transformer: nn.Module, target: str) -> bool:
    return any(name == target or name.endswith(f".{target}") for name, _ in _linear_layers(transformer))


def write_adapter(family: GeneratorFamily, folder: str | Path) -> None:
    """Write the adapter as `load_lora_weights` of the family's pipeline reads it, its rank and alpha in its header."""
    transformer = family.pipeline.transformer
    tensors = get_peft_model_state_dict(transformer, adapter_name=ADAPTER)
    family.pipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers={name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        transformer_lora_adapter_metadata=transformer.peft_config[ADAPTER].to_dict(),
        weight_name=WEIGHTS,
        safe_serialization=True,
    )
