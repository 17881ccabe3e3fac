"""Decode frames of a clip: RGB, in the order and orientation in which a player shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch

from heygen_hf.data.video.conversion import RgbConverter
from heygen_hf.data.video.errors import BadVideoError, ClipTooLargeError, ShortVideoError
from heygen_hf.data.video.frame_index import frame_index, has_or_keeps_table
from heygen_hf.data.video.properties import VideoProperties, probe_video
from heygen_hf.data.video.scaling import scale_decoded
from heygen_hf.data.video.seeking import SeekError, can_seek, decode_wanted
from heygen_hf.data.video.source import VideoSource, frame_rate_of, intact_packets, is_mp4, opened
from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    import av

    from heygen_hf.processing import VideoProcessor

__all__ = ["BadVideoError", "ClipTooLargeError", "ShortVideoError", "VideoProperties", "decode_frames", "probe_video"]

Decoder = Literal["auto", "pyav", "torchcodec"]

_HELD_PACKETS = 256  # packets of one run are held in memory: longer files are decoded packet by packet
_NEAR_START = 48  # frames up to here are decoded from the start where the file would have to be read through first


def decode_frames(
    source: VideoSource,
    indices: Sequence[int] | None = None,
    *,
    processor: "VideoProcessor | None" = None,
    max_frames: int | None = None,
    max_bytes: int | None = None,
    decoder: Decoder = "auto",
) -> VideoClip:
    """Decode frames of one file: from the key frame before the first one wanted, nothing after the last one.

    Args:
        source: any file FFmpeg reads, as a path or as its bytes.
        indices: which frames, in order of presentation, in any order, repeats allowed; None for all of them.
        processor: scales frames as they are decoded (no crop), which bounds the memory; see `scale_decoded` for
            how near that is to `VideoProcessor.scale`.
        max_frames: stop after so many.
        max_bytes: raise `ClipTooLargeError` rather than return more, before decoding where the file says its
            length.

    Returns:
        uint8 RGB frames, upright, in the order of `indices`, with the times at which they are shown.

    Raises:
        BadVideoError: the file cannot be read, is truncated, or has fewer frames than `indices` asks for.
    """
    wanted = None if indices is None else sorted(set(indices))
    if wanted is not None and (not wanted or wanted[0] < 0):
        raise ValueError(f"indices is {list(indices or [])!r}; expected at least one frame number, from 0")
    taken = _Taken(processor, max_bytes)
    if not _decode_by_table(source, wanted, max_frames, taken):
        taken = _Taken(processor, max_bytes)
        _decode_from_start(source, wanted, max_frames, taken)
    frames, stamps = taken.stacked()
    if indices is not None and list(indices) != taken.numbers:
        place_of = {number: place for place, number in enumerate(taken.numbers)}
        order = torch.tensor([place_of[index] for index in indices])
        frames, stamps = frames[order], stamps[order]
    return VideoClip(frames=frames, frame_rate=taken.frame_rate, timestamps_seconds=stamps)


class _Taken:
    """The frames decoded so far, converted and scaled."""

    def __init__(self, processor: "VideoProcessor | None", max_bytes: int | None) -> None:
        self.processor, self.max_bytes = processor, max_bytes
        self.frame_rate, self.tick = 0.0, 0.0
        self.numbers: list[int] = []
        self._frames: list[torch.Tensor] = []
        self._times: list[float] = []
        self._source_size: tuple[int, ...] | None = None
        self._to_rgb = RgbConverter()

    def set_stream(self, stream: "av.VideoStream") -> None:
        self.frame_rate, self.tick = frame_rate_of(stream), float(stream.time_base or 0)

    def add(self, number: int, frame: "av.VideoFrame", *, num_expected: int) -> None:
        pixels = self._to_rgb(frame)
        size = tuple(pixels.shape[:2])
        if self._source_size not in (None, size):
            before, now = (f"{width}x{height}" for height, width in (self._source_size or (), size))
            raise BadVideoError(f"its frame size changes from {before} to {now} (width x height)")
        self._source_size = size
        scaled = scale_decoded(pixels, self.processor)
        if self.max_bytes is not None and scaled.numel() * max(num_expected, len(self._frames) + 1) > self.max_bytes:
            raise ClipTooLargeError
        self.numbers.append(number)
        self._frames.append(scaled)
        # `frame.time` would be wrong for frames handed out at the end: the decoder knows no time base
        self._times.append(frame.pts * self.tick if frame.pts is not None else number / self.frame_rate)

    def stacked(self) -> tuple[torch.Tensor, torch.Tensor]:
        # contiguous: what is kept must not hold on to the interleaved originals
        frames = torch.stack(self._frames).contiguous()
        return frames, torch.tensor(self._times, dtype=torch.float64)


def _decode_by_table(source: VideoSource, wanted: list[int] | None, max_frames: int | None, taken: _Taken) -> bool:
    """Decode what is wanted and nothing else. False where that cannot be done; what was taken is then to be thrown
    away."""
    import av

    quickly = is_mp4(source)
    if not quickly and (wanted is None or wanted[-1] == len(wanted) - 1):
        return False  # all from the first to the last: there is nothing to leave out
    try:
        with opened(source, quickly=quickly) as (container, stream):
            if not can_seek(stream) or not stream.average_rate:
                return False
            if not has_or_keeps_table(source, container, stream) and (wanted is None or wanted[-1] < _NEAR_START):
                return False
            if wanted is None and stream.frames > _HELD_PACKETS:
                return False
            taken.set_stream(stream)
            index, was_read = frame_index(source, container, stream)
            if index is None:
                return False
            if wanted is None:
                wanted = list(range(min(index.num_frames, max_frames or index.num_frames)))
            if not wanted or wanted[-1] >= index.num_frames:
                return False
            for number, frame in decode_wanted(container, stream, index, wanted, at_start=not was_read):
                taken.add(number, frame, num_expected=len(wanted))
    except (SeekError, av.error.FFmpegError, EOFError, BadVideoError):
        return False  # decoding from the start finds out what is wrong with the file, if anything is
    return True


def _decode_from_start(source: VideoSource, wanted: list[int] | None, max_frames: int | None, taken: _Taken) -> None:
    stop_at = max_frames if wanted is None else wanted[-1] + 1
    chosen = None if wanted is None else set(wanted)
    num_decoded = 0
    with opened(source) as (container, stream):
        taken.set_stream(stream)
        num_expected = len(chosen) if chosen is not None else min(stream.frames, stop_at or stream.frames)
        for frame in (frame for packet in intact_packets(container, stream) for frame in packet.decode()):
            number, num_decoded = num_decoded, num_decoded + 1
            if chosen is None or number in chosen:
                taken.add(number, frame, num_expected=num_expected)
            if num_decoded == stop_at:
                break
    if num_decoded == 0:
        raise BadVideoError("its video stream has no frames")
    if wanted is not None and num_decoded <= wanted[-1]:
        raise ShortVideoError(num_frames=num_decoded, asked_for=wanted[-1])
