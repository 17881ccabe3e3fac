"""The memory that a fine-tuning recipe would need, before anything of its base but the configurations is read."""

import inspect
import json
from dataclasses import asdict
from typing import Any

import torch

from heygen_hf.data.buckets import Bucket
from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data.sizes import bucket_set
from heygen_hf.tasks.finetuning.adapter.lora import add_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import INDEX, BasePipeline
from heygen_hf.tasks.finetuning.memory.needs import memory_needs
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry


def plan_memory(recipe: Recipe, base: BasePipeline, geometry: LatentGeometry) -> dict[str, Any]:
    """What each way to train the recipe's clips would need, for JSON; `needs` is empty where it cannot be computed."""
    clip = largest_clip(recipe)
    latents = geometry.latent_bucket(clip)
    batch = recipe.training.get("per_device_train_batch_size", 1)
    shape = (batch, latents.num_frames, geometry.channels, latents.height, latents.width)
    about = {"clip": [clip.num_frames, clip.height, clip.width], "batch_size": batch, "needs": []}
    try:
        family = weightless_family(base)
        section = recipe.peft or AdapterSection()
        add_adapter(family, section if section.pretrained is None else AdapterSection(r=section.r))
        named = family.pipeline.transformer.named_parameters()
        adapter_weights = sum(weight.numel() for name, weight in named if "lora_" in name)
        needs = memory_needs(family, noisy=torch.zeros(shape, device="meta"), adapter_weights=adapter_weights)
    except (RuntimeError, NotImplementedError, TypeError) as error:  # of an operation without shapes alone
        return about | {"problem": (str(error).strip() or type(error).__name__).splitlines()[0]}
    return about | {"needs": [need.to_dict() for need in needs]}


def largest_clip(recipe: Recipe) -> Bucket:
    """The size of which a clip has the most pixels."""
    processor = recipe.processor
    sizes = [Bucket(processor.num_frames, processor.height, processor.width)]
    if recipe.data.buckets is not None or recipe.data.bucket_resolutions is not None:
        sizes = bucket_set(recipe.data, VideoProcessor(**asdict(processor))).buckets
    return max(sizes, key=lambda size: size.num_frames * size.height * size.width)


def weightless_family(base: BasePipeline) -> GeneratorFamily:
    """The family's pipeline with a transformer that knows shapes and holds nothing, and its scheduler alone beside."""
    import diffusers

    index = json.loads((base.folder / INDEX).read_text(encoding="utf-8"))
    transformer_class = getattr(diffusers, index["transformer"][1])
    with torch.device("meta"):
        transformer = transformer_class.from_config(transformer_class.load_config(base.folder / "transformer"))
    pipeline_class = getattr(diffusers, index["_class_name"])
    scheduler_class = getattr(diffusers, index["scheduler"][1])
    taken = inspect.signature(pipeline_class.__init__).parameters
    parts = {
        name: index.get(name) if name.startswith(("boundary", "expand", "force")) else None
        for name in taken
        if name not in ("self", "transformer", "scheduler")
    }
    scheduler = scheduler_class.from_pretrained(base.folder / "scheduler")
    # As parameters, not with `to`: some layers would stay in float32.
    for weight in transformer.parameters():
        weight.data = weight.data.to(torch.bfloat16)
    return base.family(pipeline_class(transformer=transformer, scheduler=scheduler, **parts))
