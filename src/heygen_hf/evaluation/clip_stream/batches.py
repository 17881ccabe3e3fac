"""Clips one after another, checked to be of one kind, in batches of pixels in [0, 1]."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch

from heygen_hf.types import VideoClip

_BATCH_BYTES = 2**28  # of pixels: fewer large clips come at a time than were asked for
_SLACK = 1e-3  # how far beyond [0, 1] rounding may take a pixel

Clips = Iterable[torch.Tensor | VideoClip]
"""Clips `(frames, channels, height, width)`, uint8 or floating point in [0, 1], or `VideoClip`s with their rate."""


@dataclass(frozen=True)
class ClipShape:
    """What all clips of one measurement have in common."""

    frames: int
    channels: int
    height: int
    width: int
    frame_rate: float | None = None

    def __str__(self) -> str:
        rate = f" at {self.frame_rate:g} frames/s" if self.frame_rate is not None else ""
        return f"{self.frames} frames of {self.width}x{self.height} pixels and {self.channels} channels{rate}"


@dataclass
class ClipBatch:
    """Some clips of a measurement.

    Attributes:
        clips: float32 `(batch, frames, channels, height, width)` in [0, 1].
        indices: int64 `(batch,)`, the place of each clip in the whole.
        shape: of each clip.
        prompts: one text a clip, where there are any.
        sounds: `(frames,)` a clip, how loud it is at each frame, where that is given.
    """

    clips: torch.Tensor
    indices: torch.Tensor
    shape: ClipShape
    prompts: Sequence[str] | None = None
    sounds: Sequence[torch.Tensor] | None = None
    _seen: dict[int, torch.Tensor] = field(default_factory=dict, repr=False)

    def features(self, network: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """What a network sees in the clips; metrics that share a network have it look once."""
        if id(network) not in self._seen:
            self._seen[id(network)] = network(self.clips)
        return self._seen[id(network)]


def read_batches(
    clips: Clips,
    *,
    batch_size: int,
    name: str = "generated",
    prompts: Sequence[str] | None = None,
    sounds: Sequence[torch.Tensor] | None = None,
    like: ClipShape | None = None,
    first_index: int = 0,
    index_step: int = 1,
) -> Iterator[ClipBatch]:
    """Batches of checked clips; never more than a batch is in memory, nor more than 256 MiB (or one clip).

    Args:
        clips: see `Clips`.
        name: what messages call the clips.
        prompts: one a clip of the whole.
        sounds: the same, how loud each frame is.
        like: the shape that they should have; by default that of the first.
        first_index, index_step: with `rank` and the number of processes, each takes its share of the clips: the others'
            are skipped, and not even read where `clips` is a sequence.

    Raises:
        ValueError: a clip of another shape, size, length or rate than the first, pixels that are not in [0, 1], or not
            as many prompts as clips.
    """
    if prompts is not None and hasattr(clips, "__len__") and len(clips) != len(prompts):
        raise ValueError(f"there are {len(prompts)} prompts for {len(clips)} {name} clips; give one for each")
    if sounds is not None and hasattr(clips, "__len__") and len(clips) != len(sounds):
        raise ValueError(f"there are {len(sounds)} sounds for {len(clips)} {name} clips; give one for each")
    shape = like
    held: list[torch.Tensor] = []
    places: list[int] = []
    last = -1
    for index, item in _share(clips, first_index, index_step):
        last = index
        pixels, found = _check_clip(item, index, name)
        if shape is not None:
            _check_alike(found, shape, index, name, given=like is not None)
        shape = shape or found
        if prompts is not None and index >= len(prompts):
            raise ValueError(f"there are {len(prompts)} prompts and more {name} clips; give one for each")
        held.append(pixels)
        places.append(index)
        if len(held) >= min(batch_size, _BATCH_BYTES // pixels.nbytes):
            yield _batch(held, places, shape, prompts, sounds)
            held, places = [], []
    if held:
        assert shape is not None
        yield _batch(held, places, shape, prompts, sounds)
    if prompts is not None and index_step == 1 and last + 1 < len(prompts):
        raise ValueError(f"there are {len(prompts)} prompts for {last + 1} {name} clips; give one for each")


def _share(clips: Clips, first: int, step: int) -> Iterator[tuple[int, Any]]:
    if isinstance(clips, torch.Tensor) and clips.ndim != 5:
        raise ValueError(
            f"clips is a tensor of shape {tuple(clips.shape)}; expected (clips, frames, channels, height, width), or a "
            "list of (frames, channels, height, width)"
        )
    if hasattr(clips, "__getitem__") and hasattr(clips, "__len__"):
        for index in range(first, len(clips), step):
            yield index, clips[index]
    else:
        yield from ((first + number * step, item) for number, item in enumerate(islice(clips, first, None, step)))


def _batch(
    held: list[torch.Tensor],
    places: list[int],
    shape: ClipShape,
    prompts: Sequence[str] | None,
    sounds: Sequence[torch.Tensor] | None,
) -> ClipBatch:
    texts = None if prompts is None else [prompts[place] for place in places]
    heard = None if sounds is None else [sounds[place] for place in places]
    return ClipBatch(torch.stack(held), torch.tensor(places), shape, texts, heard)


def _check_clip(item: Any, index: int, name: str) -> tuple[torch.Tensor, ClipShape]:
    """Float32 pixels in [0, 1], and what kind of clip it is."""
    rate = None
    if isinstance(item, VideoClip):
        item, rate = item.frames, float(item.frame_rate)
    try:
        frames = torch.as_tensor(item)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(
            f"{name} clip {index} is {type(item).__name__}; expected a tensor (frames, channels, height, width)"
        ) from None
    if frames.ndim != 4 or not frames.numel() or frames.shape[1] not in (1, 3):
        raise ValueError(
            f"{name} clip {index} has shape {tuple(frames.shape)}; expected (frames, channels, height, width) with 1 "
            "or 3 channels"
        )
    if frames.dtype == torch.uint8:
        pixels = frames.float() / 255
    elif frames.is_floating_point():
        pixels = frames.detach().float()
        low, high = float(pixels.min()), float(pixels.max())
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # nan is refused too
            raise ValueError(
                f"{name} clip {index} has pixels from {low:.3g} to {high:.3g}; expected [0, 1], or uint8 (of [-1, 1], "
                "take x / 2 + 0.5)"
            )
        pixels = pixels.clamp(0, 1)
    else:
        raise ValueError(f"{name} clip {index} holds {frames.dtype}; expected uint8, or floating point in [0, 1]")
    return pixels.cpu(), ClipShape(*(int(size) for size in frames.shape), frame_rate=rate)


def _check_alike(found: ClipShape, wanted: ClipShape, index: int, name: str, *, given: bool) -> None:
    others = "the generated ones have" if given else "the first has"
    for what, remedy in (
        ("frames", "cut all to one length"),
        ("channels", "bring all to one number of channels"),
        ("height", "resize all to one size"),
        ("width", "resize all to one size"),
    ):
        if getattr(found, what) != getattr(wanted, what):
            raise ValueError(f"mixed clips: {name} clip {index} has {found}, and {others} {wanted}; {remedy}")
    rates = (found.frame_rate, wanted.frame_rate)
    if rates[0] is not None and rates[1] is not None and abs(rates[0] - rates[1]) > 1e-3:
        raise ValueError(f"mixed clips: {name} clip {index} has {found}, and {others} {wanted}; bring all to one rate")
