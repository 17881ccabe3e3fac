"""What `generate` is asked for that cannot be: said before anything is computed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import PIL.Image
import torch

from heygen_hf._optional import require
from heygen_hf.pipelines import VideoGenerationPipeline


def usable_device(name: str | None) -> torch.device:
    """The device of this name; of None a GPU if there is one.

    Raises:
        ValueError: torch knows no such device, or has none here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"device {name!r} is none that torch knows; leave --device out, or use cpu or cuda") from None
    if device.type == "cpu":
        return device
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None or accelerator.type != device.type:
        raise ValueError(f"device {name!r}: there is none here that torch can use; leave --device out, or use cpu")
    count = torch.accelerator.device_count()
    if (device.index or 0) >= count:
        raise ValueError(f"device {name!r}: there are {count} here, counted from 0; leave --device out")
    return device


def check_files(video: Sequence[str | Path] | None, mask: str | Path | None) -> None:
    """Refuse a mask without a clip, and a picture as a clip."""
    if mask is not None and not video:
        raise ValueError("--mask needs --video: it says which part of a clip is generated anew")
    for file in video or ():
        if _is_picture(file):
            raise ValueError(f"--video {file} is a picture; for a video that begins with it, give it as --image")


def check_prompts(pipeline: VideoGenerationPipeline, prompts: Sequence[str]) -> None:
    """Refuse prompts for a model that reads none."""
    if prompts and pipeline.tokenizer is None:
        raise ValueError("this model was trained without captions; leave --prompt out")


def check_sampling(pipeline: VideoGenerationPipeline, sampling: Mapping[str, Any]) -> None:
    """Refuse layers that the model lacks, and a solver that is not installed.

    Raises:
        ImportError: the solver is not installed.
    """
    if sampling.get("sampler") == "dopri5":
        require("torchdiffeq")
    count = pipeline.clip_config.num_hidden_layers
    for layer in sampling.get("skip_guidance_layers") or ():
        if not -count <= layer < count:
            raise ValueError(f"--skip-guidance-layer {layer}: this model has layers 0 to {count - 1}")


def check_hearing(pipeline: VideoGenerationPipeline, audio: Sequence[str | Path] | None, *, frame_rate: float) -> None:
    """Say that a model that hears is given nothing to hear, and refuse another rate than it hears at."""
    if pipeline.clip_config.audio_hidden_size is None:
        return
    if not audio:
        print("this model follows sound, and none is given: its videos follow nothing. Pass --audio speech.wav")
    elif frame_rate != pipeline.config.frame_rate:
        raise ValueError(
            f"frame_rate is {frame_rate:g}, and this model learned to hear at {pipeline.config.frame_rate:g} frames a "
            "second; leave --frame-rate out"
        )


def _is_picture(file: str | Path) -> bool:
    """Whether the file is an image that does not move."""
    try:
        with PIL.Image.open(file) as opened:
            return getattr(opened, "n_frames", 1) == 1
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError):
        return False  # no picture, or none at all, which reading it as a clip says
