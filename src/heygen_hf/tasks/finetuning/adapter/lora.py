"""Adapters in a transformer of diffusers: put in, counted, and written as diffusers reads them."""

import json
from pathlib import Path
from typing import Any

from peft import LoraConfig, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file
from torch import nn

from heygen_hf.models.pretrained_generators import GeneratorFamily, unmatched_targets
from heygen_hf.tasks.adapters.export import public_name
from heygen_hf.tasks.finetuning.adapter.earlier import (
    OrthogonalToEarlier,
    activate_beside_earlier,
    load_earlier_adapters,
)
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.adapter.trained_on import WEIGHTS, check_trained_on, read_header
from heygen_hf.tasks.finetuning.base.identity import fingerprint_transformer
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline
from heygen_hf.tasks.finetuning.base.quantization import Float8Linear

ADAPTER = "default"


def add_adapter(family: GeneratorFamily, section: AdapterSection, *, base: BasePipeline | None = None) -> None:
    """Put a fresh adapter, or `section.pretrained`, into the transformer; nothing but it has gradients.

    Args:
        base: where the transformer is from, to refuse adapters of another one.

    Raises:
        ValueError: a target matches no layer, or the adapter to go on from does not fit or is of another base.
    """
    transformer = family.pipeline.transformer
    targets = list(section.target_modules or family.lora_targets)
    check_targets(family, section)
    if base is not None:
        check_bases(section, base)
    load_earlier_adapters(family, section.previous)
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
    if base is not None:  # those of the Hub are here only now
        check_bases(section, base)
    for name, weight in transformer.named_parameters():
        weight.requires_grad_("lora_" in name)
        if weight.requires_grad:
            # In 16 bits small updates are lost.
            weight.data = weight.data.float()
    if section.pretrained is None:
        _begin_anew_beside_8_bits(transformer)
    if section.previous:
        activate_beside_earlier(transformer, ADAPTER)
        if section.orthogonal:
            OrthogonalToEarlier(transformer, ADAPTER)()


def check_targets(family: GeneratorFamily, section: AdapterSection) -> None:
    """Refuse names of layers that are none, or that diffusers would not load again.

    Args:
        family: whose transformer may be without weights.

    Raises:
        ValueError: names them, and the layers that there are.
    """
    transformer = family.pipeline.transformer
    targets = list(section.target_modules or family.lora_targets)
    unmatched = unmatched_targets(transformer, targets)
    if unmatched:
        names = [name for name, layer in transformer.named_modules() if isinstance(layer, nn.Linear)]
        some = sorted({".".join(name.split(".")[-2:]) for name in names})[:12]
        raise ValueError(
            f"peft.target_modules: {', '.join(unmatched)} matches no layer of {type(transformer).__name__}; there are, "
            f"by the endings of their names, {', '.join(some)}, …"
        )
    beside = {"add_k_proj", "add_v_proj"} & set(family.lora_targets)
    if section.method == "dora" and "to_k" in targets and not beside <= set(targets):
        raise ValueError(
            f"peft.target_modules: diffusers loads no DoRA of {family.name} that adapts to_k without "
            f"{' and '.join(sorted(beside))}: name them too, or set peft.method=lora"
        )


def check_bases(section: AdapterSection, base: BasePipeline) -> None:
    """Refuse adapters to go on from, or to learn beside, that were trained on another base.

    Raises:
        ValueError: names the key and both bases.
    """
    for name in section.previous:
        check_trained_on(name, base, key="peft.previous")
    if section.pretrained is not None:
        check_trained_on(section.pretrained, base, key="peft.pretrained")


def _begin_anew_beside_8_bits(transformer: nn.Module) -> None:
    """peft draws an adapter's weights in the base layer's type, where 8 bits leave few values."""
    for layer in transformer.modules():
        if isinstance(layer, LoraLayer) and isinstance(layer.get_base_layer(), Float8Linear):
            layer.reset_lora_parameters(ADAPTER, True)


def _load_adapter(family: GeneratorFamily, section: AdapterSection) -> None:
    assert section.pretrained is not None
    try:
        family.pipeline.load_lora_weights(section.pretrained, adapter_name=ADAPTER)
        found = family.pipeline.transformer.peft_config[ADAPTER]
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f"peft.pretrained={section.pretrained} is no adapter of this model ({first_line})") from error
    _refuse_other_settings(found, section, family.pipeline.transformer)


def _refuse_other_settings(found: LoraConfig, section: AdapterSection, transformer: nn.Module) -> None:
    """What an adapter was made with stays: what the recipe says otherwise would be passed over in silence."""
    method = "dora" if found.use_dora else "lora"
    theirs = {"r": found.r, "lora_alpha": found.lora_alpha, "method": method, "lora_dropout": found.lora_dropout}
    for name, value in theirs.items():
        asked = getattr(section, name)
        if asked != value:
            raise ValueError(
                f"peft.{name}={asked}, and the adapter {section.pretrained} that is gone on from has {value}: set it "
                "to that"
            )
    if section.target_modules is not None:
        modules = [(name, one) for name, one in transformer.named_modules() if ".lora_" not in name]
        adapted = {name for name, one in modules if isinstance(one, LoraLayer) and ADAPTER in one.lora_A}
        linear = {name.removesuffix(".base_layer") for name, one in modules if isinstance(one, nn.Linear)}
        endings = tuple(f".{target}" for target in section.target_modules)
        if adapted != {name for name in linear if f".{name}".endswith(endings)}:
            raise ValueError(
                f"peft.target_modules={section.target_modules} are other layers than those of the adapter "
                f"{section.pretrained} that is gone on from: leave the key out"
            )


def described_adapter(transformer: Any) -> dict[str, Any]:
    """Rank, alpha, layers and method of the adapter that a transformer holds."""
    config = transformer.peft_config[ADAPTER]
    return {
        "rank": config.r,
        "alpha": config.lora_alpha,
        "target_modules": sorted(config.target_modules),
        "method": "dora" if config.use_dora else "lora",
    }


def described_base(base: BasePipeline) -> dict[str, Any]:
    """What an adapter belongs to; of a folder elsewhere on this machine the last part of its name."""
    return {
        "base_model": public_name(base.name),
        "base_revision": base.revision,
        "base_fingerprint": fingerprint_transformer(base.folder),
        "family": base.family.name,
    }


def write_adapter(family: GeneratorFamily, folder: str | Path, *, base: BasePipeline) -> None:
    """Write the adapter as `load_lora_weights` of the family's pipeline reads it.

    In its header is what diffusers builds it by, and by names of their own rank, alpha, layers and the base.
    """
    transformer = family.pipeline.transformer
    tensors = get_peft_model_state_dict(transformer, adapter_name=ADAPTER)
    family.pipeline.save_lora_weights(
        str(folder),
        transformer_lora_layers={name: value.detach().cpu().contiguous() for name, value in tensors.items()},
        transformer_lora_adapter_metadata=transformer.peft_config[ADAPTER].to_dict(),
        weight_name=WEIGHTS,
        safe_serialization=True,
    )
    add_to_header(Path(folder) / WEIGHTS, described_base(base) | described_adapter(transformer))


def add_to_header(path: Path, values: dict[str, Any]) -> None:
    """Write values beside a file's tensors: texts as they are, others as JSON, and nothing for None."""
    written = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }
    save_file(load_file(path), str(path), metadata=read_header(path) | written)
    path.chmod(0o644)
