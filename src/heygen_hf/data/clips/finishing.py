"""The last steps to an item, the same for prepared and for streamed clips: random draws, augmentation, sound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from heygen_hf.data.video import VideoSource
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.data.video.guard import guarded
from heygen_hf.processing import fold_seed
from heygen_hf.processing.frame_sampling import BLACK_FRAME

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

_AUGMENTATION_STREAM = 3  # keeps its draws apart from those of frames and crop, which have the same seed

Augmentation = Callable[..., tuple[Any, ...]]
"""`(frames, text, labels=…, seed=…) -> (frames, text, labels)`, such as `VideoAugmentation`."""


@dataclass(frozen=True)
class ClipOptions:
    """What is done to every clip that is drawn.

    Attributes:
        seed: of frames, crops and augmentation, together with epoch and row.
        augmentation: changes frames (and caption and labels) by seed; None leaves them.
        audio_sampling_rate: decode the sound of the frames' time span at this rate; None leaves it out.
        decode_time_limit_seconds: a decoder that takes longer is stopped, and the clip replaced.
    """

    seed: int
    augmentation: Augmentation | None = None
    audio_sampling_rate: int | None = None
    decode_time_limit_seconds: float = 60.0

    def seed_of(self, epoch: int, row: int) -> int:
        """The seed of one row in one epoch."""
        return fold_seed(self.seed, epoch, row)


def decode_guarded(function: Callable[..., Any], *args: Any, options: ClipOptions, **keywords: Any) -> Any:
    """Call a decoder where it can neither crash nor hang this process.

    Raises:
        BadVideoError: the file, or its decoder, is broken.
    """
    return guarded(function, *args, time_limit_seconds=options.decode_time_limit_seconds, **keywords)


def finish_item(
    frames: torch.Tensor,
    *,
    text: str,
    labels: Mapping[str, str],
    row: int,
    epoch: int,
    options: ClipOptions,
) -> dict[str, Any]:
    """An item from frames at their final size: augmented, with caption and labels to match."""
    labels = dict(labels)
    if options.augmentation is not None:
        seed = fold_seed(options.seed_of(epoch, row), _AUGMENTATION_STREAM)
        frames, text, labels = options.augmentation(frames, text, labels=labels, seed=seed)
    return {"frames": frames, "text": text, "index": row, **labels}


def audio_of_frames(
    video: VideoSource,
    *,
    processor: "VideoProcessor",
    total_frames: int,
    frame_rate: float,
    seed: int,
    options: ClipOptions,
) -> torch.Tensor:
    """The sound of the time span of the frames that a seed selects, float32 `(samples,)`; silence without a track."""
    assert options.audio_sampling_rate is not None
    selection = processor.select_frames(total_frames, frame_rate, seed=seed)
    present = [frame for frame in selection.indices if frame != BLACK_FRAME]
    first, last = present[0], max(present)
    stride = (last - first) / (present.index(last) or 1) or 1.0
    clip = decode_guarded(
        decode_audio,
        video,
        options=options,
        start_seconds=first / frame_rate,
        duration_seconds=processor.num_frames * stride / frame_rate,
        sampling_rate=options.audio_sampling_rate,
    )
    return clip.samples
