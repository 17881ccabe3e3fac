"""Sample videos side by side."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data import write_video
from heygen_hf.pipelines import VideoGenerationPipeline
from heygen_hf.tasks.generation.folder import to_uint8
from heygen_hf.tasks.generation.sampling import GIVEN, sample_videos


def sample_grid_writer(
    pipeline: VideoGenerationPipeline,
    prompts: Sequence[str] | None,
    *,
    folder: Path,
    seed: int,
    precision: str = "auto",
    given: Mapping[str, Any] | None = None,
) -> Callable[[int], None]:
    """A function that samples the prompts with the pipeline as it stands and writes one grid video for a step.

    Args:
        given: further arguments of the pipeline, see `sample_videos`.
    """
    given = given or {}
    count = len(prompts) if prompts is not None else max(len(given[name]) for name in GIVEN if name in given)

    def write_samples(step: int) -> None:
        seeds = [seed + i for i in range(count)]
        pipeline.set_progress_bar_config(disable=True)
        videos = sample_videos(pipeline, prompts, seeds=seeds, batch_size=count, precision=precision, **given)
        folder.mkdir(parents=True, exist_ok=True)
        write_video(
            folder / f"step-{step:07d}.mp4", video_grid(to_uint8(videos)), frame_rate=pipeline.config.frame_rate
        )

    return write_samples


def video_grid(videos: torch.Tensor, *, columns: int = 4) -> torch.Tensor:
    """Videos `(count, frames, channels, height, width)` side by side: `(frames, channels, rows * height, ...)`."""
    count = videos.shape[0]
    columns = min(columns, count)
    rows = -(-count // columns)
    blank = videos.new_zeros((rows * columns - count, *videos.shape[1:]))
    cells = torch.cat((videos, blank)).unflatten(0, (rows, columns))
    return cells.permute(2, 3, 0, 4, 1, 5).flatten(4, 5).flatten(2, 3).contiguous()
