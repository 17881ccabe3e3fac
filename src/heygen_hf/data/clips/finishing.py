"""The last steps to an item, the same for prepared and for streamed clips: random draws, augmentation, sound."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from heygen_hf.data.video import VideoSource
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.data.video.guard import guarded
from heygen_hf.processing import FrameSelection, draw_below, fold_seed
from heygen_hf.processing.frame_sampling import BLACK_FRAME

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

# They keep draws of one seed apart: those of frames and crop are streams 1 and 2.
_AUGMENTATION_STREAM, _MOVED_STREAM = 3, 4

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
    positioned: bool = False,
) -> dict[str, Any]:
    """An item from frames at their final size: augmented, with caption and labels to match.

    Args:
        positioned: the frames are those of `moved_frames`, so that time has been changed already.
    """
    labels = dict(labels)
    if options.augmentation is not None:
        seed = fold_seed(options.seed_of(epoch, row), _AUGMENTATION_STREAM)
        done = {"positioned": True} if positioned else {}
        frames, text, labels = options.augmentation(frames, text, labels=labels, seed=seed, **done)
    return {"frames": frames, "text": text, "index": row, **labels}


def moved_frames(
    *,
    processor: "VideoProcessor",
    total_frames: int,
    text: str,
    labels: Mapping[str, str],
    row: int,
    epoch: int,
    options: ClipOptions,
) -> FrameSelection | None:
    """The frames of a clip that runs faster, slower or backwards, from a random start.

    Chosen before they are read, so that a faster clip shows later frames and does not end in a still.

    Returns:
        None where time is not changed, or the clip is too short for it (the frames drawn are then moved among
        themselves).
    """
    positions_of = getattr(options.augmentation, "frame_positions", None)
    if positions_of is None or processor.frame_position != "random":
        return None
    seed = options.seed_of(epoch, row)
    augmentation_seed = fold_seed(seed, _AUGMENTATION_STREAM)
    positions = positions_of(processor.num_frames, augmentation_seed, text=text, labels=labels)
    if positions == list(range(processor.num_frames)):
        return None
    stride = 1 if processor.target_fps is not None else processor.temporal_stride
    offsets = [int(position * stride + 1e-6) for position in positions]
    spare = total_frames - 1 - max(offsets)
    if spare < 0:
        return None
    first = draw_below(spare + 1, seed, _MOVED_STREAM)
    return FrameSelection(indices=tuple(first + offset for offset in offsets))


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
