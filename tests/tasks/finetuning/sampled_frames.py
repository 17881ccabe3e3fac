"""The frames that a run's reference describes, made by a pipeline of diffusers."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from heygen_hf.pipelines.pretrained_generator import as_picture

FAMILIES = ("wan", "wan_image_to_video", "ltx", "cogvideox", "hunyuan_video", "mochi")


def sampled(pipeline: Any, run: Path) -> torch.Tensor:
    """By the pipeline's own call, as `reference.json` says it."""
    said = json.loads((run / "reference.json").read_text())
    tensors = load_file(run / "reference.safetensors")
    # A picture, or a clip that controls the video.
    given = {name: as_picture(value) if value.ndim == 3 else value[None] for name, value in tensors.items()}
    del given["frames"]
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(said["seed"])
    return pipeline(prompt=said["prompt"], generator=generator, **said["call"], **given).frames.float()
