"""The published pipeline that a recipe fine-tunes: where it lies, of which family it is, and its parts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from heygen_hf.models.pretrained_generators import GeneratorFamily, family_of
from heygen_hf.tasks.finetuning.base.quantization import quantize_fp8, quantize_nf4
from heygen_hf.training import supports_bfloat16

INDEX = "model_index.json"


@dataclass(frozen=True)
class BasePipeline:
    """A pipeline of diffusers in a local folder.

    Attributes:
        name, revision: as the recipe says; the commit in place of a branch, where it came from the Hub.
        folder: where its files are.
        family: of its class.
    """

    name: str
    revision: str | None
    folder: Path
    family: type[GeneratorFamily]


def find_base(section: Mapping[str, Any]) -> BasePipeline:
    """What `model.pretrained` names, fetched from the Hub if need be.

    Raises:
        ValueError: it is missing, is no pipeline of diffusers, or of no family that is known.
    """
    name, revision = section.get("pretrained"), section.get("revision")
    if name is None:
        raise ValueError("model.pretrained is missing: name the pipeline that is fine-tuned, by folder or Hub name")
    folder = Path(name)
    if not folder.is_dir():
        folder = _fetch(name, revision)
        revision = folder.name
    elif revision is not None:
        raise ValueError(f"model.revision={revision} is for a Hub name, and model.pretrained={name} is a folder")
    index = folder / INDEX
    if not index.is_file():
        raise ValueError(
            f"model.pretrained={name} is no pipeline of diffusers (it has no {INDEX}): name the whole pipeline, such "
            "as Wan-AI/Wan2.1-T2V-1.3B-Diffusers, and not its transformer or a single file of weights"
        )
    described = read_config(index)
    try:
        family = family_of(str(described.get("_class_name")))
    except ValueError as error:
        raise ValueError(f"model.pretrained={name}: {error}") from None
    for part, what in (("transformer", "transformer"), ("vae", "autoencoder")):
        if not described.get(part) or not (folder / part / "config.json").is_file():
            raise ValueError(
                f"model.pretrained={name} has no {what} (no {part}/config.json): give the whole pipeline, or fetch it "
                "again"
            )
    return BasePipeline(str(name), revision, folder, family)


def read_config(path: Path) -> dict[str, Any]:
    """A configuration of diffusers.

    Raises:
        ValueError: names the file, which is no JSON or no object.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is no configuration (a JSON object was expected): fetch the pipeline again")
    return values


def _fetch(name: str, revision: str | None) -> Path:
    from diffusers import DiffusionPipeline
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(DiffusionPipeline.download(name, revision=revision, use_safetensors=True))
    except (OSError, ValueError, HFValidationError, HfHubHTTPError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"no pipeline loads from model.pretrained={name} ({first_line}); give a folder or a Hub name"
        ) from error


def load_family(base: BasePipeline, section: Mapping[str, Any], *, adapts: bool) -> GeneratorFamily:
    """The pipeline with all of its parts, in evaluation mode and without gradients, on the CPU.

    Args:
        section: a recipe's `model`.
        adapts: whether adapters are trained, and not the transformer itself.

    Raises:
        ValueError: it cannot be loaded, or its weights cannot be held as the section says.
    """
    import diffusers

    transformer = _load_transformer(base, section, adapts=adapts)
    pipeline_class = getattr(diffusers, json.loads((base.folder / INDEX).read_text(encoding="utf-8"))["_class_name"])
    dtypes = {"transformer": transformer.dtype, "default": _dtype(section.get("encoder_dtype", "auto"))}
    with _plain_error(base):
        pipeline = pipeline_class.from_pretrained(
            str(base.folder), transformer=transformer, dtype=dtypes, use_safetensors=True
        )
    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval().requires_grad_(False)
    if section.get("tiled_encoding"):
        pipeline.vae.enable_tiling()
    return base.family(pipeline)


def _load_transformer(base: BasePipeline, section: Mapping[str, Any], *, adapts: bool) -> Any:
    import diffusers

    quantization, asked = section.get("quantization"), section.get("dtype", "auto")
    if not adapts and quantization is not None:
        raise ValueError(
            f"model.quantization={quantization} keeps weights in few bits, which cannot be trained: add a peft "
            "section, or leave it out"
        )
    if not adapts and asked not in ("auto", "float32"):
        raise ValueError(
            f"model.dtype={asked} would train all weights in 16 bits, where small updates are lost: leave it out "
            "(training.precision=bf16 computes in 16 bits), or add a peft section"
        )
    dtype = _dtype(asked)
    if dtype is None:
        dtype = torch.bfloat16 if adapts and supports_bfloat16() else torch.float32
    options: dict[str, Any] = {"dtype": dtype}
    index = json.loads((base.folder / INDEX).read_text(encoding="utf-8"))
    model_class = getattr(diffusers, index["transformer"][1])
    with _plain_error(base):
        transformer = model_class.from_pretrained(
            str(base.folder), subfolder="transformer", use_safetensors=True, **options
        )
    if quantization == "nf4":
        quantize_nf4(transformer, compute_dtype=dtype)
    elif quantization == "fp8":
        quantize_fp8(transformer)
    return transformer


def load_transformer(folder: Path, *, dtype: torch.dtype) -> Any:
    """A pipeline's transformer alone, plain."""
    import diffusers

    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    model_class = getattr(diffusers, index["transformer"][1])
    return model_class.from_pretrained(str(folder), subfolder="transformer", use_safetensors=True, dtype=dtype).eval()


def _dtype(name: str) -> torch.dtype | None:
    return None if name == "auto" else getattr(torch, name)


class _plain_error:  # noqa: N801 - reads as a function
    """Turns what diffusers raises while it loads into one line."""

    def __init__(self, base: BasePipeline) -> None:
        self.base = base

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (OSError, ValueError, RuntimeError, KeyError, SafetensorError)):
            first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ValueError(f"model.pretrained={self.base.name} does not load ({first_line})") from error


def load_tokenizer_of(base: BasePipeline) -> Any:
    """The tokenizer of its captions, without any weights.

    Raises:
        ValueError: it cannot be loaded.
    """
    import transformers

    index = json.loads((base.folder / INDEX).read_text(encoding="utf-8"))
    with _plain_error(base):
        return getattr(transformers, index["tokenizer"][1]).from_pretrained(str(base.folder), subfolder="tokenizer")
