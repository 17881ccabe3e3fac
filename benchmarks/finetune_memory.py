"""What fine-tuning the published generators would need of a GPU's memory: computed from their sizes, not measured.

Nothing is downloaded: the sizes of the published transformers stand here, and the clips are those of recipes/finetune.
See heygen_hf/tasks/finetuning/memory/needs.py for what is counted; `heygen-hf plan RECIPE` says the same of a recipe.

    python benchmarks/finetune_memory.py [--all]

The last line is JSON: model -> the rows that `plan` prints. Without --all a row for each card and way to train: the
lightest recomputation with which it fits.
"""

import argparse
import json
from typing import Any

import diffusers
import torch
from peft import LoraConfig
from rich.console import Console
from rich.table import Table

from heygen_hf.models.pretrained_generators import family_of
from heygen_hf.tasks.finetuning.memory.needs import CARD_SIZES, memory_needs

# Name -> pipeline, transformer, what differs from the class's defaults, latents of the recipe's clip.
MODELS: dict[str, tuple[str, str, dict[str, Any], tuple[int, int, int, int]]] = {
    "Wan 2.1 1.3B, 49x480x832": (
        "WanPipeline",
        "WanTransformer3DModel",
        {"num_attention_heads": 12, "num_layers": 30, "ffn_dim": 8960},
        (13, 16, 60, 104),
    ),
    "Wan 2.1 14B image to video, 49x480x832": (
        "WanImageToVideoPipeline",
        "WanTransformer3DModel",
        {"in_channels": 36, "out_channels": 16, "image_dim": 1280, "added_kv_proj_dim": 5120},
        (13, 16, 60, 104),
    ),
    "LTX-Video 2B, 49x480x704": ("LTXPipeline", "LTXVideoTransformer3DModel", {}, (7, 128, 15, 22)),
    "CogVideoX 2B, 49x480x720": ("CogVideoXPipeline", "CogVideoXTransformer3DModel", {}, (13, 16, 60, 90)),
    "CogVideoX 5B, 49x480x720": (
        "CogVideoXPipeline",
        "CogVideoXTransformer3DModel",
        {"num_attention_heads": 48, "num_layers": 42, "use_rotary_positional_embeddings": True},
        (13, 16, 60, 90),
    ),
    "HunyuanVideo 13B, 49x544x960": (
        "HunyuanVideoPipeline",
        "HunyuanVideoTransformer3DModel",
        {"guidance_embeds": True},
        (13, 16, 68, 120),
    ),
    "Mochi 1 10B, 49x480x848": ("MochiPipeline", "MochiTransformer3DModel", {}, (9, 12, 60, 106)),
}


def needs_of(name: str) -> list[dict[str, Any]]:
    """One clip at a time, an adapter of rank 32."""
    pipeline_name, transformer_name, options, shape = MODELS[name]
    with torch.device("meta"):
        transformer = getattr(diffusers, transformer_name)(**options)
    for weight in transformer.parameters():
        weight.data = weight.data.to(torch.bfloat16)
    parts = dict.fromkeys(("tokenizer", "text_encoder", "vae"))
    if pipeline_name.startswith("Hunyuan"):
        parts |= dict.fromkeys(("text_encoder_2", "tokenizer_2"))
    scheduler = diffusers.CogVideoXDDIMScheduler() if pipeline_name.startswith("Cog") else None
    pipeline = getattr(diffusers, pipeline_name)(scheduler=scheduler, transformer=transformer, **parts)
    family = family_of(pipeline_name)(pipeline)
    transformer.add_adapter(LoraConfig(r=32, target_modules=list(family.lora_targets)))
    adapter = sum(weight.numel() for name, weight in transformer.named_parameters() if "lora_" in name)
    noisy = torch.zeros(1, *shape, device="meta")
    return [need.to_dict() for need in memory_needs(family, noisy=noisy, adapter_weights=adapter)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every row")
    options = parser.parse_args()
    found = {name: needs_of(name) for name in MODELS}
    table = Table(
        title="GiB, computed: weights, gradients, optimiser, activations at the worst moment, 1 for the runtime"
    )
    ways = list(dict.fromkeys((need["method"], need["base"]) for needs in found.values() for need in needs))
    for heading in ("model", "trained", "weights in", *map(str, CARD_SIZES), *(["none"] if options.all else [])):
        table.add_column(heading)
    for name, needs in found.items():
        for method, base in ways:
            mine = [need for need in needs if (need["method"], need["base"]) == (method, base)]
            cells = []
            for size in CARD_SIZES:
                fitting = [need for need in mine if (need["smallest_card_gibibytes"] or float("inf")) <= size]
                cells.append(f"{fitting[0]['checkpointing']} {fitting[0]['total_gibibytes']:.1f}" if fitting else "-")
            table.add_row(name, method, base, *cells)
    Console(width=200).print(table)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
