"""A published pipeline as it is, called as a run's is: to make clips for prior preservation, or to compare with."""

import inspect
from pathlib import Path
from typing import Any

from heygen_hf.pipelines.pretrained_generator import PretrainedGeneratorPipeline, SamplingDefaults
from heygen_hf.tasks.finetuning.base.pipeline import find_base, load_family


def load_published(folder: str | Path, *, dtype: str = "auto") -> PretrainedGeneratorPipeline:
    """The pipeline on the CPU; what a call leaves open is as diffusers' own call has it.

    Args:
        dtype: of the transformer, see `model.dtype` of the recipe; "auto" as beside an adapter.

    Raises:
        ValueError: it does not load.
    """
    section = {"pretrained": str(folder), "dtype": dtype}
    family = load_family(find_base(section), section, adapts=True)
    pipe = family.pipeline
    parameters = inspect.signature(type(pipe).__call__).parameters
    known: dict[str, Any] = {
        name: parameters[name].default
        for name in ("num_frames", "height", "width", "num_inference_steps", "guidance_scale", "frame_rate")
        if name in parameters and parameters[name].default is not None
    }
    config = pipe.transformer.config
    for name in ("height", "width"):  # of CogVideoX the transformer says it
        if name not in known and getattr(config, f"sample_{name}", None) is not None:
            known[name] = getattr(config, f"sample_{name}") * family.spatial_compression
    return PretrainedGeneratorPipeline(
        family, SamplingDefaults(**({"num_frames": 49, "height": 480, "width": 832} | known))
    )
