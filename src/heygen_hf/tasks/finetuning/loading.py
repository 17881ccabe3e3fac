"""A finished fine-tuning, loaded to sample with: its base with the adapter, or its own pipeline."""

import json
from pathlib import Path

import yaml

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.base_pipeline import find_base, load_family
from heygen_hf.tasks.finetuning.export import BASE_FILE


def is_finetuned(run: str | Path) -> bool:
    """Whether a folder holds what a fine-tuning exported."""
    return (Path(run) / BASE_FILE).is_file()


def load_finetuned(run: str | Path, *, base: str | None = None) -> PretrainedGeneratorPipeline:
    """The pipeline of a finished fine-tuning, on the CPU.

    Args:
        base: folder or Hub name of the base of an adapter, if it is no longer where the run says.

    Raises:
        ValueError: the base is not there, or is of another revision than the adapter's.
    """
    run = Path(run)
    said = json.loads((run / BASE_FILE).read_text(encoding="utf-8"))
    if said["weights"] is None:
        section = {"pretrained": str(run), "dtype": "auto"}
        found = find_base(section)
        return PretrainedGeneratorPipeline(
            load_family(found, section, adapts=False), SamplingDefaults(**said["sampling"])
        )
    section = {"pretrained": base or _base_of(run, said["base_model"])}
    if not Path(section["pretrained"]).is_dir():
        section["revision"] = said["base_revision"]
    found = find_base(section)
    if said["base_revision"] is not None and found.revision not in (None, said["base_revision"]):
        raise ValueError(
            f"{run} was trained on revision {said['base_revision']} of {said['base_model']}, and {found.name} is "
            f"{found.revision}: give the same one"
        )
    if found.family.name != said["family"]:
        raise ValueError(
            f"{run} is an adapter of {said['base_model']}, of the family {said['family']}, and {found.name} is of "
            f"{found.family.name}"
        )
    family = load_family(found, section | {"dtype": "float32"}, adapts=True)
    family.pipeline.load_lora_weights(str(run), weight_name=said["weights"])
    return PretrainedGeneratorPipeline(family, SamplingDefaults(**said["sampling"]))


def _base_of(run: Path, published_name: str) -> str:
    """Where the run found its base: of a folder elsewhere on this machine, only the recipe knows the whole path."""
    recipe = run / "recipe.yaml"
    section = (yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}).get("model") if recipe.is_file() else None
    named = (section or {}).get("pretrained")
    return named if named is not None and Path(named).is_dir() else published_name
