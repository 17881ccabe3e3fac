"""First frames that samples begin with, for families that generate from one."""

from typing import Any

import torch

from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.text_to_video.parts import Samples


def first_frame_samples(found: Samples, clips: Any, *, processor: VideoProcessor, keeps_prompts: bool) -> Samples:
    """As many samples as were found, each from the first frame of one of the clips.

    Args:
        keeps_prompts: they are asked for; else they are the captions of these clips.
    """
    count = len(found.texts)
    rows = [i * len(clips) // count for i in range(count)]
    # Clips of other buckets have other sizes than the samples.
    frames = [processor.resize_and_crop(item["frames"][:1])[0] for item in clips.fetch(rows, epoch=0)]
    texts = found.texts if keeps_prompts else [clips.texts[row] for row in rows]
    usage = f"--prompt {texts[0]!r} --image face.png"
    return Samples(texts, texts, usage=usage, given={"image": torch.stack(frames).float() / 255})
