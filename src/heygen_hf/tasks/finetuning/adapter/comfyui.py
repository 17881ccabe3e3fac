"""An adapter under the names that the models were published with, which ComfyUI reads.

ComfyUI looks for `diffusion_model.LAYER.lora_A.weight` and `.lora_B.weight` with the layers' original names. diffusers
gave most of them other names and reads such files too: what is written here is the inverse of how it reads them. Where
the original has one layer for several of diffusers' (queries, keys and values in HunyuanVideo), their matrices are set
side by side, one below the other: the same update, of a higher rank.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from heygen_hf.tasks.finetuning.adapter.trained_on import WEIGHTS, read_header

COMFYUI_WEIGHTS = "comfyui_lora.safetensors"

_WAN_LAYERS = {
    **{f"attn1.{ours}": f"self_attn.{theirs}" for ours, theirs in zip(("to_q", "to_k", "to_v"), "qkv", strict=True)},
    **{f"attn2.{ours}": f"cross_attn.{theirs}" for ours, theirs in zip(("to_q", "to_k", "to_v"), "qkv", strict=True)},
    "attn1.to_out.0": "self_attn.o",
    "attn2.to_out.0": "cross_attn.o",
    "attn2.add_k_proj": "cross_attn.k_img",
    "attn2.add_v_proj": "cross_attn.v_img",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
}
_WAN_OUTSIDE = {
    "condition_embedder.time_proj": "time_projection.1",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.image_embedder.ff.net.0.proj": "img_emb.proj.1",
    "condition_embedder.image_embedder.ff.net.2": "img_emb.proj.3",
    "proj_out": "head.head",
}
_QKV = ("attn.to_q", "attn.to_k", "attn.to_v")
# diffusers' block, the original one, its layers of several of diffusers' in their order, and its other layers
_HUNYUAN_BLOCKS: tuple[tuple[str, str, dict[str, tuple[str, ...]], dict[str, str]], ...] = (
    (
        r"transformer_blocks\.(\d+)\.",
        "double_blocks.{}",
        {"img_attn_qkv": _QKV, "txt_attn_qkv": ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")},
        {
            "attn.to_out.0": "img_attn_proj",
            "attn.to_add_out": "txt_attn_proj",
            "ff.net.0.proj": "img_mlp.fc1",
            "ff.net.2": "img_mlp.fc2",
            "ff_context.net.0.proj": "txt_mlp.fc1",
            "ff_context.net.2": "txt_mlp.fc2",
            "norm1.linear": "img_mod.linear",
            "norm1_context.linear": "txt_mod.linear",
        },
    ),
    (
        r"single_transformer_blocks\.(\d+)\.",
        "single_blocks.{}",
        {"linear1": (*_QKV, "proj_mlp")},
        {"proj_out": "linear2", "norm.linear": "modulation.linear"},
    ),
    (
        # What diffusers makes of these fused layers is not what they are; ComfyUI reads them as all others.
        r"context_embedder\.token_refiner\.refiner_blocks\.(\d+)\.",
        "txt_in.individual_token_refiner.blocks.{}",
        {"self_attn_qkv": _QKV},
        {"attn.to_out.0": "self_attn_proj", "ff.net.0.proj": "mlp.fc1", "ff.net.2": "mlp.fc2"},
    ),
)

Layers = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Layer -> its two matrices, `(rank, in)` and `(out, rank)`."""


def check_comfyui(family: str, *, method: str) -> None:
    """Refuse what has no such names.

    Raises:
        ValueError: of this family, or of this method.
    """
    if family not in _LAYOUTS:
        raise ValueError(
            f"peft.comfyui=true: {family} has no layout of names that ComfyUI and diffusers both read; those that have "
            f"are {', '.join(_LAYOUTS)}: leave it out"
        )
    if method != "lora":
        raise ValueError(
            f"peft.comfyui=true is for peft.method=lora: diffusers cannot read such a file of {method}, so it could "
            "not be checked; leave it out"
        )


def write_comfyui_adapter(folder: str | Path, *, family: str, transformer_config: Mapping[str, Any]) -> Path:
    """Write `comfyui_lora.safetensors` beside an adapter in diffusers' format.

    Args:
        transformer_config: of the base.

    Raises:
        ValueError: no such names are known of the family, or of a layer that is adapted.
    """
    source = Path(folder) / WEIGHTS
    header = read_header(source)
    check_comfyui(family, method=header["method"])
    layers = _layers_of(load_file(source))
    alpha, rank = float(header["alpha"]), int(header["rank"])
    target = Path(folder) / COMFYUI_WEIGHTS
    kept = ("base_model", "base_revision", "base_fingerprint", "family", "rank", "alpha", "method")
    save_file(
        comfyui_tensors(layers, family=family, alpha=alpha, rank=rank, config=transformer_config),
        str(target),
        metadata={"format": "pt"} | {name: header[name] for name in kept if name in header},
    )
    target.chmod(0o644)
    return target


def comfyui_tensors(
    layers: Layers, *, family: str, alpha: float, rank: int, config: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """The tensors of the file; where diffusers reads no alphas the matrices are scaled by alpha / rank instead.

    Args:
        layers: of the adapter, by their names in diffusers.
        config: of the transformer.
    """
    tensors = {}
    for name, (down, up) in _LAYOUTS[family](layers, config).items():
        has_alpha = family.startswith("wan") and name.startswith("blocks.")
        tensors[f"diffusion_model.{name}.lora_A.weight"] = down.contiguous()
        tensors[f"diffusion_model.{name}.lora_B.weight"] = (up if has_alpha else up * (alpha / rank)).contiguous()
        if has_alpha:
            tensors[f"diffusion_model.{name}.alpha"] = torch.tensor(alpha)
    return tensors


def _layers_of(tensors: Mapping[str, torch.Tensor]) -> Layers:
    found: dict[str, dict[str, torch.Tensor]] = defaultdict(dict)
    for key, tensor in tensors.items():
        name, _, part = key.removeprefix("transformer.").rpartition(".lora_")
        found[name][part] = tensor
    return {name: (parts["A.weight"], parts["B.weight"]) for name, parts in found.items()}


def _wan(layers: Layers, _: Mapping[str, Any]) -> Layers:
    renamed = {}
    for name, matrices in layers.items():
        match = re.fullmatch(r"(blocks\.\d+)\.(.*)", name)
        theirs = _WAN_OUTSIDE.get(name) if match is None else _WAN_LAYERS.get(match[2])
        if theirs is None:
            raise _unknown(name)
        renamed[theirs if match is None else f"{match[1]}.{theirs}"] = matrices
    return renamed


def _ltx(layers: Layers, _: Mapping[str, Any]) -> Layers:
    """Inside blocks diffusers kept the names."""
    strange = next((name for name in layers if not re.match(r"transformer_blocks\.\d+\.(attn[12]|ff)\.", name)), None)
    if strange is not None:
        raise _unknown(strange)
    return dict(layers)


def _hunyuan_video(layers: Layers, config: Mapping[str, Any]) -> Layers:
    hidden = config["num_attention_heads"] * config["attention_head_dim"]
    widths = {"proj_mlp": int(hidden * config["mlp_ratio"])}
    fused: dict[str, tuple[tuple[str, ...], Layers]] = {}
    renamed: Layers = {}
    for name, matrices in layers.items():
        block, rest, several, single = _hunyuan_place(name)
        together = next((one for one, parts in several.items() if rest in parts), None)
        if together is not None:
            fused.setdefault(f"{block}.{together}", (several[together], {}))[1][rest] = matrices
        elif rest in single:
            renamed[f"{block}.{single[rest]}"] = matrices
        else:
            raise _unknown(name)
    for whole, (names, parts) in fused.items():
        renamed[whole] = _stack(parts, [(name, widths.get(name, hidden)) for name in names])
    return renamed


def _hunyuan_place(name: str) -> tuple[str, str, dict[str, tuple[str, ...]], dict[str, str]]:
    """The original block of a layer, the layer's name inside of diffusers', and the tables of such blocks."""
    for pattern, block, several, single in _HUNYUAN_BLOCKS:
        match = re.match(pattern, name)
        if match is not None:
            return block.format(match[1]), name[match.end() :], several, single
    raise _unknown(name)


def _stack(parts: Layers, rows: list[tuple[str, int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """One layer's matrices of those of its parts, whose names and widths are given; one not adapted gets zeros."""
    down = torch.cat([parts[name][0] for name, _ in rows if name in parts])
    up = down.new_zeros(sum(width for _, width in rows), len(down))
    row = column = 0
    for name, width in rows:
        if name in parts:
            rank = len(parts[name][0])
            up[row : row + width, column : column + rank] = parts[name][1]
            column += rank
        row += width
    return down, up


def _unknown(name: str) -> ValueError:
    return ValueError(
        f"peft.comfyui=true: the layer {name} has no name in ComfyUI's layout that is known here: leave it out of "
        "peft.target_modules, or leave comfyui out"
    )


_LAYOUTS = {"wan": _wan, "wan_image_to_video": _wan, "ltx": _ltx, "hunyuan_video": _hunyuan_video}
