"""What a fine-tuning leaves: an adapter that plain diffusers loads, or a whole pipeline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from heygen_hf.data import write_video
from heygen_hf.hub import hash_model_files
from heygen_hf.hub.gate.manifest import hash_file
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline
from heygen_hf.tasks.adapters.export import public_name
from heygen_hf.tasks.finetuning.adapter_section import AdapterSection
from heygen_hf.tasks.finetuning.adapters import ADAPTER, WEIGHTS, write_adapter
from heygen_hf.tasks.finetuning.base_pipeline import BasePipeline
from heygen_hf.tasks.generation import sample_videos, to_uint8
from heygen_hf.tasks.run_folder import RunFolder, write_json

BASE_FILE = "base_pipeline.json"
"""What an adapter belongs to, and how it is sampled: read by `load_finetuned`."""
_GIVEN = ("image",)


def export_finetuned(
    folder: RunFolder,
    pipeline: PretrainedGeneratorPipeline,
    *,
    base: BasePipeline,
    peft: AdapterSection | None,
    prompts: Sequence[str],
    seed: int,
    given: Mapping[str, Any],
) -> None:
    """Write the weights that the transformer holds now, and frames that it made of a prompt, to compare with.

    `reference.safetensors` holds those of the first prompt, without autocast; `reference.json` says how.
    """
    family, pipe, config = pipeline.family, pipeline.family.pipeline, pipeline.config
    transformer = pipeline.transformer.eval()
    written = peft is not None and not peft.merge
    if written:
        write_adapter(family, folder.path)
    else:
        if peft is not None:
            pipe.fuse_lora(components=["transformer"])
            pipe.unload_lora_weights()
        pipe.save_pretrained(str(folder.path), safe_serialization=True)
    write_json(
        folder.path / BASE_FILE,
        {
            "base_model": public_name(base.name),
            "base_revision": base.revision,
            "family": family.name,
            "pipeline_class": type(pipe).__name__,
            "weights": WEIGHTS if written else None,
            "adapter": None if peft is None or peft.merge else _described(transformer.peft_config[ADAPTER]),
            "sampling": vars(config),
        },
    )
    first = {name: value[:1] for name, value in given.items() if name in _GIVEN}
    pipeline.set_progress_bar_config(disable=True)
    with torch.compiler.set_stance("force_eager"):
        frames = pipeline([prompts[0]], generator=[torch.Generator().manual_seed(seed)], **first).frames
    tensors = {name: value[0].contiguous() for name, value in first.items()}
    save_file({"frames": frames.float().cpu().contiguous(), **tensors}, str(folder.path / "reference.safetensors"))
    write_json(
        folder.path / "reference.json",
        {
            "prompt": prompts[0],
            "seed": seed,
            **vars(config),
            "output_type": "pt",
            "dtype": str(transformer.dtype).removeprefix("torch."),
            "device": pipeline.device.type,
            "compiled": False,
            "files": {WEIGHTS: hash_file(folder.path / WEIGHTS)} if written else hash_model_files(folder.path),
        },
    )


def write_samples(
    folder: Path,
    pipeline: PretrainedGeneratorPipeline,
    prompts: Sequence[str],
    *,
    name: str,
    seed: int,
    batch_size: int,
    precision: str,
    given: Mapping[str, Any],
) -> torch.Tensor:
    """`NAME-00.mp4`, … of the prompts; returns them as uint8 `(videos, frames, channels, height, width)`."""
    pipeline.set_progress_bar_config(disable=True)
    videos = to_uint8(
        sample_videos(
            pipeline,  # type: ignore[arg-type] - called as the package's own is
            prompts,
            seeds=[seed + i for i in range(len(prompts))],
            batch_size=batch_size,
            precision=precision,
            description=f"samples {name}",
            **given,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    for i, video in enumerate(videos):
        write_video(folder / f"{name}-{i:02d}.mp4", video, frame_rate=pipeline.config.frame_rate)
    return videos


def _described(config: Any) -> dict[str, Any]:
    return {
        "rank": config.r,
        "alpha": config.lora_alpha,
        "target_modules": sorted(config.target_modules),
        "method": "dora" if config.use_dora else "lora",
    }
