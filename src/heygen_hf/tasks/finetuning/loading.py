"""A finished fine-tuning, loaded to sample with: its base with the adapter, or its own pipeline."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from heygen_hf.models.pretrained_generators import FAMILIES
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.finetuning.adapter.lora import ADAPTER
from heygen_hf.tasks.finetuning.base.identity import fingerprint_transformer
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline, find_base, load_family
from heygen_hf.tasks.finetuning.export import BASE_FILE
from heygen_hf.tasks.run_folder import read_json

_KEYS = ("base_model", "base_revision", "base_fingerprint", "weights", "dtypes", "sampling", "processor")


def is_finetuned(run: str | Path) -> bool:
    """Whether a folder holds what a fine-tuning exported."""
    return (Path(run) / BASE_FILE).is_file()


def load_finetuned(run: str | Path, *, base: str | None = None, dtype: str = "float32") -> PretrainedGeneratorPipeline:
    """The pipeline of a finished fine-tuning, on the CPU.

    Args:
        base: folder or Hub name of the base of an adapter, if it is no longer where the run says.
        dtype: of an adapter's transformer: "float32", "bfloat16", or "auto", see `model.dtype` of the recipe.

    Raises:
        ValueError: nothing of a fine-tuning is there, or its base is not, or is another one than the adapter's.
    """
    run = Path(run)
    said = read_base_file(run)
    section = {"dtype": dtype, "encoder_dtype": said["dtypes"]["default"] or "auto"}
    if said["weights"] is None:
        section = {"pretrained": str(run), "dtype": "auto"}
        family = load_family(find_base(section), section, adapts=False)
    else:
        found = find_adapter_base(run, base=base)
        family = load_family(found, section, adapts=True)
        try:
            family.pipeline.load_lora_weights(str(run), weight_name=said["weights"], adapter_name=ADAPTER)
        except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"{run}: {said['weights']} does not load onto {found.name} ({first_line})") from error
    if read_json(run / "reference.json").get("tiled"):
        family.pipeline.vae.enable_tiling()
    if hasattr(family, "frame_rate"):
        family.frame_rate = said["sampling"]["frame_rate"]
    return PretrainedGeneratorPipeline(
        family, SamplingDefaults(**said["sampling"]), processor=_processor_of(said["processor"])
    )


def read_base_file(run: Path) -> dict[str, Any]:
    """What `base_pipeline.json` says.

    Raises:
        ValueError: it is not there, is no JSON, or names a family that is unknown.
    """
    path = run / BASE_FILE
    if not path.is_file():
        raise ValueError(f"{run} holds no finished fine-tuning (no {BASE_FILE}); finish it with --resume auto")
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        family, known = said["family"], [one.name for one in FAMILIES]
        missing = [key for key in _KEYS if key not in said]
        if missing or "default" not in said["dtypes"]:
            raise KeyError
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} cannot be read; export the run again, or take it from its source again") from None
    if family not in known:
        raise ValueError(f"{run} is of the family {family}, which is unknown here; there are {', '.join(known)}")
    return said


def find_adapter_base(run: str | Path, *, base: str | None = None) -> BasePipeline:
    """The pipeline that an adapter was trained on.

    Args:
        base: folder or Hub name; by default the one that the run names.

    Raises:
        ValueError: it is not there, or is another one.
    """
    run = Path(run)
    said = read_base_file(run)
    section: dict[str, Any] = {"pretrained": base or _base_of(run, said["base_model"])}
    if not Path(section["pretrained"]).is_dir():
        section["revision"] = said["base_revision"]
    try:
        found = find_base(section)
    except ValueError as error:
        raise ValueError(f"the base of {run}: {error}") from None
    check_base(run, found, said)
    return found


def check_base(run: Path, found: BasePipeline, said: Mapping[str, Any]) -> None:
    """Refuse another base than the adapter's.

    Raises:
        ValueError: it is of another family or revision, or has other weights.
    """
    trained_on = said["base_model"]
    if found.family.name != said["family"]:
        raise ValueError(
            f"{run} is an adapter of {trained_on}, of the family {said['family']}, and {found.name} is of the family "
            f"{found.family.name}: give the base it was trained on"
        )
    if said["base_revision"] is not None and found.revision not in (None, said["base_revision"]):
        raise ValueError(
            f"{run} was trained on revision {said['base_revision']} of {trained_on}, and {found.name} is at revision "
            f"{found.revision}: give the same one"
        )
    if fingerprint_transformer(found.folder) != said["base_fingerprint"]:
        at = f" at revision {said['base_revision']}" if said["base_revision"] else ""
        raise ValueError(
            f"{run} was trained on {trained_on}{at}, and the transformer in {found.name} has other weights: give the "
            "same revision"
        )


def _base_of(run: Path, published_name: str) -> str:
    """Where the run found its base: of a folder elsewhere on this machine, only the recipe knows the whole path."""
    recipe = run / "recipe.yaml"
    section = (yaml.safe_load(recipe.read_text(encoding="utf-8")) or {}).get("model") if recipe.is_file() else None
    named = (section or {}).get("pretrained")
    return named if named is not None and Path(named).is_dir() else published_name


def _processor_of(said: Mapping[str, Any]) -> VideoProcessor:
    return VideoProcessor.from_dict(dict(said))
