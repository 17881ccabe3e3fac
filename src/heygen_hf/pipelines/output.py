"""What a call of the pipeline returns, and the callback it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import BaseOutput

StepEndCallback = Callable[[DiffusionPipeline, int, torch.Tensor, dict[str, Any]], dict[str, Any] | None]


@dataclass
class VideoGenerationPipelineOutput(BaseOutput):
    """Attributes:
    frames: by `output_type`: "pil" a list of lists of images; "np" `(batch, frames, height, width, channels)` in
        [0, 1]; "pt" `(batch, frames, channels, height, width)` in [0, 1]; "latent" what the transformer made.
    num_function_evaluations: how often each video's velocity was evaluated, over all windows.
    num_rows: passes of each video through the transformer: with guidance several for an evaluation.
    num_reused: calls of the transformer in which the blocks behind the first were left out (`block_cache_threshold`).
    audio: the sound of each video, `(samples,)` as long as its frames, where sound was given; `write_video` takes it.
    audio_sampling_rate: of these.
    """

    frames: torch.Tensor | np.ndarray | list[list[PIL.Image.Image]]
    num_function_evaluations: int | None = None
    num_rows: int | None = None
    num_reused: int | None = None
    audio: list[torch.Tensor] | None = None
    audio_sampling_rate: int | None = None
