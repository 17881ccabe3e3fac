"""The generator that a fine-tuning recipe trains, and whether its sizes fit."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from heygen_hf.data.buckets import Bucket
from heygen_hf.models.pretrained_generators import GeneratorFamily, PretrainedGeneratorConfig, PretrainedVideoGenerator
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.finetuning.adapter.lora import add_adapter, check_bases, check_targets
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import INDEX, BasePipeline, read_config
from heygen_hf.tasks.finetuning.memory.plan import weightless_family
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.latent_geometry import LatentGeometry, check_frames


def described_family(base: BasePipeline) -> GeneratorFamily:
    """The family of a pipeline by its configurations alone, before any weights are loaded."""
    index, values = read_config(base.folder / INDEX), read_config(base.folder / "transformer" / "config.json")
    transformer = SimpleNamespace(config=SimpleNamespace(**_with_class_defaults(index["transformer"][1], values)))
    return base.family(SimpleNamespace(config=index, transformer=transformer))


def _with_class_defaults(class_name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    import inspect

    import diffusers

    parameters = inspect.signature(getattr(diffusers, class_name).__init__).parameters
    defaults = {name: one.default for name, one in parameters.items() if one.default is not one.empty}
    return {**defaults, **values}


def check_training(recipe: Recipe, base: BasePipeline) -> None:
    """Refuse what the training would stop at once the clips are decoded and encoded.

    Raises:
        ValueError: names the key.
    """
    section, peft = recipe.model, recipe.peft
    dropout, shift = section.get("condition_dropout") or 0.0, section.get("timestep_shift")
    if not 0 <= dropout < 1:
        raise ValueError(f"model.condition_dropout must lie in [0, 1), got {dropout}: it is a share of the samples")
    if shift is not None and not shift > 0:
        raise ValueError(f"model.timestep_shift must be above 0, got {shift}; 1.0 leaves timesteps uniform")
    try:
        base.family.check_steps(recipe.generation.num_inference_steps)
    except ValueError as error:
        raise ValueError(f"generation.{error}") from None
    target, told = recipe.processor.target_fps, recipe.generation.frame_rate
    if hasattr(base.family, "frame_rate") and target is not None and target != told:
        raise ValueError(
            f"generation.frame_rate={told:g} is what {base.family.name} is told of the clips, and processor.target_fps="
            f"{target:g} is what they have: set both to the same"
        )
    if peft is None:
        return
    if recipe.training.get("optimizer") == "muon":
        raise ValueError(
            "training.optimizer=muon is for whole transformers, and with peft an adapter is trained: take adamw"
        )
    check_bases(peft, base)
    if peft.target_modules is not None:
        check_targets(weightless_family(base), peft)


def check_clip_size(
    base: BasePipeline, geometry: LatentGeometry, size: Bucket, *, patch_size: tuple[int, int, int], where: str
) -> None:
    """Refuse a size that the autoencoder or the patch does not divide.

    Raises:
        ValueError: names the nearest sizes that work.
    """
    geometry.latent_bucket(size, patch_size=patch_size, where=where)
    check_frames(str(base.folder), geometry, num_frames=size.num_frames, where=where)
    step, more = base.family.frame_step, size.num_frames - 1
    if more % step:
        below = more // step * step + 1
        raise ValueError(
            f"{where} num_frames={size.num_frames} does not fit {base.family.name}, whose autoencoder gives back clips "
            f"of {step}n + 1 frames alone; the nearest that work are {below} and {below + step}"
        )


def build_generator(
    family: GeneratorFamily,
    base: BasePipeline,
    section: Mapping[str, Any],
    *,
    peft: AdapterSection | None,
    processor: VideoProcessor,
    geometry: LatentGeometry,
) -> PretrainedVideoGenerator:
    """The family's transformer, ready to train: with an adapter, or whole.

    Raises:
        ValueError: the adapter does not fit it.
    """
    config = PretrainedGeneratorConfig(
        family=family.name,
        base=base.name,
        base_revision=base.revision,
        num_channels=geometry.channels,
        patch_size=family.patch_size,
        frames_per_token=family.frames_per_token,
        temporal_compression=geometry.temporal_compression,
        spatial_compression=geometry.spatial_compression,
        condition_dropout=section.get("condition_dropout") or 0.0,
    )
    latents = geometry.latent_bucket(Bucket(processor.num_frames, processor.height, processor.width))
    tokens = config.count_tokens(latents.num_frames, latents.height, latents.width)
    empty = family.encode_prompts([""])[0] if config.condition_dropout else None
    if peft is None:
        family.pipeline.transformer.requires_grad_(True)
    else:
        add_adapter(family, peft, base=base)
    return PretrainedVideoGenerator(
        family,
        config,
        objective=family.objective(tokens=tokens, timestep_shift=section.get("timestep_shift")),
        empty_caption=empty,
    )
