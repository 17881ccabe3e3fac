"""What a fine-tuning leaves: an adapter that plain diffusers loads, or a whole pipeline."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data import write_video
from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline
from heygen_hf.tasks.finetuning.adapter.comfyui import write_comfyui_adapter
from heygen_hf.tasks.finetuning.adapter.lora import WEIGHTS, described_adapter, described_base, write_adapter
from heygen_hf.tasks.finetuning.adapter.section import AdapterSection
from heygen_hf.tasks.finetuning.base.pipeline import BasePipeline
from heygen_hf.tasks.finetuning.reference import write_reference
from heygen_hf.tasks.generation import sample_videos, to_uint8
from heygen_hf.tasks.run_folder import RunFolder, write_json

BASE_FILE = "base_pipeline.json"
"""What an adapter belongs to, and how it is sampled: read by `load_finetuned`."""


def export_finetuned(
    folder: RunFolder,
    pipeline: PretrainedGeneratorPipeline,
    *,
    base: BasePipeline,
    peft: AdapterSection | None,
    prompts: Sequence[str],
    seed: int,
    given: Mapping[str, Any],
    encoder_dtype: str = "auto",
) -> None:
    """Write the weights that the transformer holds now, and frames that diffusers makes with them, to compare with.

    Where memory does not hold what makes the frames, they alone are missing.

    `base_pipeline.json`, written last, says what they belong to and how they are loaded.
    """
    family, pipe = pipeline.family, pipeline.family.pipeline
    pipeline.transformer.eval()
    (folder.path / BASE_FILE).unlink(missing_ok=True)
    adapter = None
    if peft is not None and not peft.merge:
        adapter = described_adapter(pipeline.transformer)
        write_adapter(family, folder.path, base=base)
        if peft.comfyui:
            write_comfyui_adapter(folder.path, family=family.name, transformer_config=family.transformer_config)
    else:
        if peft is not None:
            pipe.fuse_lora(components=["transformer"])
            pipe.unload_lora_weights()
        pipe.save_pretrained(str(folder.path), safe_serialization=True)
    dtypes = write_reference(
        folder,
        pipeline,
        base_folder=base.folder,
        is_adapter=adapter is not None,
        prompt=prompts[0],
        seed=seed,
        given=given,
        encoder_dtype=None if adapter is None or encoder_dtype == "auto" else encoder_dtype,
    )
    write_json(
        folder.path / BASE_FILE,
        {
            **described_base(base),
            "pipeline_class": type(pipe).__name__,
            "weights": None if adapter is None else WEIGHTS,
            "adapter": adapter,
            "dtypes": dtypes,
            "sampling": vars(pipeline.config),
            "processor": pipeline.processor.to_dict(),
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
