"""Reconstructions and interpolations as videos and as a picture for the card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data import write_video
from heygen_hf.hub import write_sample_strips
from heygen_hf.pipelines.latents import encode_to_posterior
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation import video_grid
from heygen_hf.tasks.video_autoencoder.measuring import reconstruct
from heygen_hf.training.autoencoder.reconstruction import decode

_FRAME_RATE = 8.0
STRIPS = "reconstructions.png"


def write_reconstructions(
    path: Path, autoencoder: Any, clips: torch.Tensor, *, processor: VideoProcessor
) -> tuple[torch.Tensor, torch.Tensor]:
    """One video: each clip above its reconstruction, side by side. Returns both, uint8.

    Args:
        clips: `(batch, frames, channels, height, width)` in [-1, 1].
    """
    shown = processor.to_uint8(clips.cpu())
    made = processor.to_uint8(reconstruct(autoencoder, clips).cpu())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, video_grid(torch.cat((shown, made)), columns=len(clips)), frame_rate=_FRAME_RATE)
    return shown, made


def write_strips(folder: Path, autoencoder: Any, clips: torch.Tensor, *, processor: VideoProcessor) -> None:
    """`reconstructions.mp4` and `reconstructions.png`: input, reconstruction, input, …"""
    path = (folder / STRIPS).with_suffix(".mp4")
    shown, made = write_reconstructions(path, autoencoder, clips, processor=processor)
    rows = [video for pair in zip(shown, made, strict=True) for video in pair]
    write_sample_strips(folder / STRIPS, rows, ["input", "reconstruction"] * len(shown))


@torch.no_grad()
def write_interpolation(
    path: Path, autoencoder: Any, clips: torch.Tensor, *, steps: int, processor: VideoProcessor
) -> None:
    """One video: in each row, from a clip's latents in equal steps to the next clip's.

    Args:
        steps: clips between the two.
    """
    mean, _ = encode_to_posterior(autoencoder, clips)
    pairs = list(zip(mean[0::2], mean[1::2], strict=False))
    shares = torch.linspace(0, 1, steps + 2, device=mean.device)
    made = [decode(autoencoder, torch.stack([first.lerp(last, share) for share in shares])) for first, last in pairs]
    if made:
        path.parent.mkdir(parents=True, exist_ok=True)
        videos = processor.to_uint8(torch.cat(made).float().clamp(-1, 1).cpu())
        write_video(path, video_grid(videos, columns=steps + 2), frame_rate=_FRAME_RATE)


def preview_writer(
    autoencoder: Any, clips: torch.Tensor, *, folder: Path, processor: VideoProcessor
) -> Callable[[int], None]:
    """A function that writes the reconstructions of the autoencoder as it stands at a step."""

    def write(step: int) -> None:
        was_training = autoencoder.training
        autoencoder.eval()
        write_reconstructions(folder / f"step-{step:07d}.mp4", autoencoder, clips, processor=processor)
        autoencoder.train(was_training)

    return write
