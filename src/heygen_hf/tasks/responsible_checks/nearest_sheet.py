"""The nearest pairs as a picture: each video above its nearest training clip."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from heygen_hf.hub import write_sample_strips
from heygen_hf.types import VideoClip


def write_nearest_sheet(path: Path, videos: Any, training: Any, pairs: Sequence[dict[str, Any]]) -> Path:
    """Write a PNG with two rows a pair: frames of the video, and of the training clip.

    Args:
        videos, training: clips by their index.
        pairs: `index`, `training_index`, `video`, `training_clip`, `view`, `distance`, `held_out_share_nearer`.
    """
    strips, texts = [], []
    for pair in pairs:
        strips += [_bytes(videos[pair["index"]]), _bytes(training[pair["training_index"]])]
        share = pair["held_out_share_nearer"]
        beside = "" if share is None else f", {share:.1%} of held-out clips are nearer"
        seen = "" if pair["view"] == "as it is" else f" ({pair['view']})"
        texts += [
            f"{pair['video']} {pair['prompt'] or ''}".strip(),
            f"{pair['training_clip']}{seen}: {pair['distance']:.3g} away{beside}",
        ]
    return write_sample_strips(path, strips, texts)


def _bytes(clip: Any) -> torch.Tensor:
    frames = clip.frames if isinstance(clip, VideoClip) else clip
    return frames if frames.dtype == torch.uint8 else (frames.float() * 255).round().clamp(0, 255).to(torch.uint8)
