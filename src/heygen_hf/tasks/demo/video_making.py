"""One video of a pipeline, as `heygen-hf generate` makes it, and how it was made."""

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data.video import VideoWriter
from heygen_hf.tasks.demo.model_inputs import ModelInputs
from heygen_hf.tasks.demo.video_request import VideoRequest
from heygen_hf.tasks.generation.given_files import read_given_files
from heygen_hf.training.bfloat16 import supports_bfloat16

_FILES = ("image", "last_image", "video", "mask", "audio")
_PACKAGES = ("heygen_hf", "torch", "transformers", "diffusers", "gradio")

Progress = Callable[[int, int, int], None]


@dataclass(frozen=True, eq=False)
class MadeVideo:
    """Attributes:
    frames: uint8 `(frames, channels, height, width)`.
    frame_rate: frames a second.
    audio, sampling_rate: the sound that the video follows, `(samples,)`; None for a silent one.
    settings: how it was made; the same settings make the same frames.
    """

    frames: torch.Tensor
    frame_rate: float
    audio: torch.Tensor | None
    sampling_rate: int | None
    settings: dict[str, Any]

    def write(self, path: Path) -> Path:
        """As `.mp4`."""
        with VideoWriter(
            path, frame_rate=self.frame_rate, audio=self.audio, sampling_rate=self.sampling_rate
        ) as writer:
            writer.write(self.frames)
        return path


def make_video(
    pipeline: Any,
    request: VideoRequest,
    *,
    max_seconds: float,
    progress: Progress | None = None,
) -> MadeVideo:
    """Make what a visitor asks for.

    Args:
        pipeline: a `VideoGenerationPipeline`.
        max_seconds: longer videos are refused.
        progress: called `(window, step, steps)` after each step.

    Raises:
        ValueError: something that the model cannot make, in one line.
    """
    started = time.perf_counter()
    inputs = ModelInputs.of(pipeline)
    request.check(inputs, max_seconds=max_seconds)
    heard, num_frames = None, request.num_frames
    if request.audio is not None:
        heard = pipeline.hear([Path(request.audio)])
        num_frames = num_frames or pipeline.frames_for(heard)
    most = inputs.most_frames(max_seconds)
    if num_frames is not None and num_frames > most:
        rate = inputs.frame_rate
        raise ValueError(
            f"the sound lasts {num_frames / rate:.1f} s, and this page makes at most {most / rate:.1f} s: give a "
            "shorter one."
        )
    given = _given(pipeline, request)
    if request.mask is not None:
        num_frames = None  # a mask is of the whole clip
    in_bfloat16 = supports_bfloat16(pipeline.device.type)
    with torch.autocast(pipeline.device.type, torch.bfloat16, enabled=in_bfloat16):
        made = pipeline(
            [request.prompt] if request.prompt else None,
            class_ids=None if request.class_id is None else [request.class_id],
            audio=heard,
            generator=[torch.Generator().manual_seed(request.seed)],
            num_frames=num_frames,
            height=request.height,
            width=request.width,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            output_type="pt",
            callback_on_step_end=None if progress is None else _telling(progress),
            **given,
        )
    frames = (made.frames[0].float() * 255).round().clamp(0, 255).to(torch.uint8).cpu()
    settings = {
        **_asked(pipeline, request),
        "num_frames": len(frames),
        "height": frames.shape[2],
        "width": frames.shape[3],
        "frame_rate": inputs.frame_rate,
        "frames_sha256": hashlib.sha256(frames.contiguous().numpy().tobytes()).hexdigest(),  # before encoding
        "seconds": round(time.perf_counter() - started, 2),
        "device": pipeline.device.type,
        "precision": "bfloat16" if in_bfloat16 else str(pipeline.dtype).removeprefix("torch."),
        "versions": package_versions_here(),
    }
    audio = None if made.audio is None else made.audio[0]
    return MadeVideo(frames, inputs.frame_rate, audio, made.audio_sampling_rate, settings)


def _given(pipeline: Any, request: VideoRequest) -> dict[str, Any]:
    config = pipeline.transformer.config
    return read_given_files(
        pipeline.processor,
        image=[request.image] if request.image else None,
        last_image=[request.last_image] if request.last_image else None,
        video=[request.video] if request.video else None,
        mask=request.mask,
        num_prompts=1,
        height=request.height or config.sample_height,
        width=request.width or config.sample_width,
    )


def _telling(progress: Progress) -> Callable[..., None]:
    window = 0

    def tell(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> None:  # noqa: ARG001
        nonlocal window
        window += step == 0
        progress(window, step + 1, pipeline.num_timesteps)

    return tell


def _asked(pipeline: Any, request: VideoRequest) -> dict[str, Any]:
    """The request with the pipeline's defaults in their places, files by their names."""
    asked = {name: value for name, value in asdict(request).items() if value is not None}
    asked |= {name: Path(asked[name]).name for name in _FILES if name in asked}
    for name in ("num_inference_steps", "guidance_scale"):
        asked.setdefault(name, pipeline.config[name])
    return asked


def package_versions_here() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
