"""Frames that a fine-tuned pipeline makes when plain diffusers loads it: what every later loading is compared with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import should_reduce_batch_size
from safetensors.torch import save_file

from heygen_hf.hub import hash_model_files
from heygen_hf.hub.gate.manifest import hash_file
from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline
from heygen_hf.tasks.finetuning.adapter.comfyui import COMFYUI_WEIGHTS
from heygen_hf.tasks.finetuning.adapter.lora import WEIGHTS
from heygen_hf.tasks.finetuning.base.pipeline import load_transformer
from heygen_hf.tasks.run_folder import RunFolder, write_json

# In float32 a larger one would need more memory than the training had.
_MOST_WEIGHTS_IN_FLOAT32 = 3e9
GIVEN = ("image", "video")


def write_reference(
    folder: RunFolder,
    pipeline: PretrainedGeneratorPipeline,
    *,
    base_folder: Path,
    is_adapter: bool,
    prompt: str,
    seed: int,
    given: Mapping[str, Any],
    encoder_dtype: str | None,
) -> dict[str, str | None]:
    """Write `reference.safetensors`, the frames of a prompt, and `reference.json`, how they are made.

    The transformer computes in float32 (a very large one in bfloat16), as diffusers loads it from what was written,
    without autocast. Each part is on the device only while it computes. Where memory does not hold that, it is said,
    and there are no frames: what was trained is not lost for it.

    Args:
        base_folder: the pipeline that an adapter changes.
        given: `image` of the prompt, or `video` that controls it, for a family that takes one. The reference holds
            them under the names of the pipeline's arguments.
        encoder_dtype: of the other parts as they were loaded; None: as they were saved.

    Returns:
        The data types to load it with, as diffusers takes them.
    """
    family, frames_file = pipeline.family, folder.path / "reference.safetensors"
    frames_file.unlink(missing_ok=True)
    # Where all parts must have one data type, encoders that were loaded in fewer bits than saved decide which.
    forced = getattr(torch, encoder_dtype) if family.has_one_dtype and encoder_dtype is not None else None
    dtype = forced or _reference_dtype(pipeline.transformer)
    dtypes = {"transformer": _name(dtype), "default": _name(dtype) if family.has_one_dtype else encoder_dtype}
    first = {name: value[:1] for name, value in given.items() if name in GIVEN}
    loaded_from = (base_folder, folder.path) if is_adapter else (folder.path, None)
    try:
        frames = _reference_frames(pipeline, *loaded_from, dtype=dtype, prompt=prompt, seed=seed, given=first)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        print(
            f"warning: memory does not hold what it takes to make the reference frames in {_name(dtype)}, so there is "
            f"no {frames_file.name}; what was trained is whole in {folder.path}. To make it, and to publish, delete "
            "README.md there and run again with --resume auto where there is more memory"
        )
    else:
        tensors = {"image": first["image"][0]} if "image" in first else {}
        if "video" in first:
            tensors |= {name: value[0] for name, value in family.control_arguments(first["video"][0]).items()}
        tensors = {name: value.float().contiguous() for name, value in tensors.items()}
        save_file({"frames": frames.float().cpu().contiguous(), **tensors}, str(frames_file))
    weights = [name for name in (WEIGHTS, COMFYUI_WEIGHTS) if (folder.path / name).is_file()]
    hashes = {name: hash_file(folder.path / name) for name in weights} if is_adapter else hash_model_files(folder.path)
    write_json(
        folder.path / "reference.json",
        {
            "prompt": prompt,
            "seed": seed,
            "call": pipeline.call_arguments() | {"output_type": "pt"},
            "dtypes": dtypes,
            "tiled": bool(getattr(pipeline.vae, "use_tiling", False)),
            "device": pipeline.device.type,
            "threads": torch.get_num_threads(),  # sums are taken in another order where there are more
            "compiled": False,
            "files": hashes,
        },
    )
    return dtypes


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory, of the device or of the machine, did not hold something."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or should_reduce_batch_size(error)


def _reference_dtype(transformer: torch.nn.Module) -> torch.dtype:
    weights = list(transformer.parameters())
    is_plain = all(weight.dtype == torch.float32 for weight in weights)
    count = sum(weight.numel() for weight in weights)
    return torch.float32 if is_plain or count <= _MOST_WEIGHTS_IN_FLOAT32 else torch.bfloat16


def _reference_frames(
    pipeline: PretrainedGeneratorPipeline,
    source: Path,
    adapter: Path | None,
    *,
    dtype: torch.dtype,
    prompt: str,
    seed: int,
    given: Mapping[str, Any],
) -> torch.Tensor:
    pipeline.set_progress_bar_config(disable=True)
    family, generator = pipeline.family, torch.Generator().manual_seed(seed)
    one_dtype = _encoders_in(family, dtype) if family.has_one_dtype else nullcontext()
    plain = _plain_transformer(family, source, adapter, dtype=dtype)
    with pipeline.computing_on(pipeline.device), plain, one_dtype, torch.compiler.set_stance("force_eager"):
        frames: torch.Tensor = pipeline([prompt], generator=[generator], **given).frames
    return frames


@contextmanager
def _plain_transformer(
    family: GeneratorFamily, source: Path, adapter: Path | None, *, dtype: torch.dtype
) -> Iterator[None]:
    """The pipeline's transformer on the CPU: itself where it is plain float32; else one loaded from what was written.

    Args:
        dtype: to load it in, whatever it is.
    """
    pipe = family.pipeline
    trained, device = pipe.transformer, pipe.transformer.device
    if not getattr(trained, "is_quantized", False):
        trained.to("cpu")  # the device need not hold it beside the encoders, nor two
    try:
        if dtype != torch.float32 or any(weight.dtype != torch.float32 for weight in trained.parameters()):
            pipe.register_modules(transformer=load_transformer(source, dtype=dtype))
            if adapter is not None:
                pipe.load_lora_weights(str(adapter), weight_name=WEIGHTS)
        pipe.transformer.eval()
        yield
    finally:
        pipe.register_modules(transformer=trained.to(device) if trained.device != device else trained)


@contextmanager
def _encoders_in(family: GeneratorFamily, dtype: torch.dtype) -> Iterator[None]:
    """Autoencoder and text encoders in the transformer's data type, as diffusers loads them in it."""
    parts = {name: part for name, part in family.pipeline.components.items() if isinstance(part, torch.nn.Module)}
    saved = {part: part.dtype for name, part in parts.items() if name != "transformer"}
    try:
        for part in saved:
            part.to(dtype)
        yield
    finally:
        for part, its in saved.items():
            part.to(its)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
