"""Decode frames of a clip: RGB, in the order and orientation in which a player shows them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

import torch

from heygen_hf.data.video.conversion import RgbConverter
from heygen_hf.data.video.errors import BadVideoError, ClipTooLargeError, ShortVideoError
from heygen_hf.data.video.frame_index import frame_index, has_or_keeps_table
from heygen_hf.data.video.properties import VideoProperties, probe_video
from heygen_hf.data.video.scaling import scale_decoded, smooths_anyway
from heygen_hf.data.video.seeking import SeekError, can_seek, decode_wanted
from heygen_hf.data.video.source import VideoSource, frame_rate_of, intact_packets, is_mp4, opened
from heygen_hf.data.video.torchcodec_decoding import decode_with_torchcodec
from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    import av

    from heygen_hf.processing import VideoProcessor

__all__ = ["BadVideoError", "ClipTooLargeError", "ShortVideoError", "VideoProperties", "decode_frames", "probe_video"]

Decoder = Literal["auto", "pyav", "torchcodec"]

_FRAMES_AT_ONCE = 4  # so many full-size frames are held before they are scaled; few, to stay in the CPU's cache
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
        decoder: "pyav", "torchcodec" (an extra; needs FFmpeg on the system), or "auto", which is PyAV: the frames are
            the same, and it is the faster of the two here (`benchmarks/data.py`).

    Returns:
        uint8 RGB frames, upright, in the order of `indices`, with the times at which they are shown.

    Raises:
        ValueError: `indices` is empty or has a negative number.
        BadVideoError: the file cannot be read, is truncated, or has fewer frames than `indices` asks for.
    """
    wanted = None if indices is None else sorted(set(indices))
    if wanted is not None and (not wanted or wanted[0] < 0):
        raise ValueError(f"indices is {list(indices or [])!r}; expected at least one frame number, from 0")
    if decoder not in get_args(Decoder):
        raise ValueError(f"decoder is {decoder!r}; expected one of {', '.join(get_args(Decoder))}")
    if decoder == "torchcodec":
        return decode_with_torchcodec(source, indices, processor=processor, max_frames=max_frames, max_bytes=max_bytes)
    for decode in (_decode_whole, _decode_by_table, _decode_from_start):  # the last one always can, or says why not
        taken = _Taken(processor, max_bytes)
        if decode(source, wanted, max_frames, taken):
            break
    frames, stamps = taken.stacked()
    if indices is not None and list(indices) != taken.numbers:
        place_of = {number: place for place, number in enumerate(taken.numbers)}
        order = torch.tensor([place_of[index] for index in indices])
        frames, stamps = frames[order], stamps[order]
    return VideoClip(
        frames=frames, frame_rate=taken.frame_rate, timestamps_seconds=stamps, source_size=taken.source_size
    )


class _Taken:
    """The frames decoded so far, converted and scaled."""

    def __init__(self, processor: "VideoProcessor | None", max_bytes: int | None) -> None:
        self.processor, self.max_bytes = processor, max_bytes
        self.frame_rate, self.tick = 0.0, 0.0
        self.numbers: list[int] = []
        self.source_size: tuple[int, int] | None = None
        self._times: list[float] = []
        self._pending: list[torch.Tensor] = []  # upright, at full size
        self._buffer: torch.Tensor | None = None
        self._chunks: list[torch.Tensor] = []
        self._to_rgb = RgbConverter()

    def start(self, stream: "av.VideoStream") -> None:
        self.frame_rate, self.tick = frame_rate_of(stream), float(stream.time_base or 0)
        declared = stream.height and stream.width  # a broken file may not say
        if self.processor and declared and smooths_anyway(stream.height, stream.width, self.processor):
            # of H.264, the frames that no other is predicted from: what differs there stays there
            stream.codec_context.options = {**stream.codec_context.options, "skip_loop_filter": "noref"}

    def add(self, number: int, frame: "av.VideoFrame", *, num_expected: int) -> None:
        pixels = self._to_rgb(frame)
        size = (pixels.shape[0], pixels.shape[1])
        if self.source_size not in (None, size):
            before, now = (f"{width}x{height}" for height, width in (self.source_size or size, size))
            raise BadVideoError(f"its frame size changes from {before} to {now} (width x height)")
        self.source_size = size
        self._pending.append(pixels)
        self.numbers.append(number)
        # `frame.time` would be wrong for frames handed out at the end: the decoder knows no time base
        self._times.append(frame.pts * self.tick if frame.pts is not None else number / self.frame_rate)
        if len(self._pending) == _FRAMES_AT_ONCE:
            self._flush(num_expected)

    def _flush(self, num_expected: int) -> None:
        first, num_frames = self._pending[0], len(self._pending)
        if self._buffer is None or self._buffer.shape[1:] != first.shape:
            self._buffer = first.new_empty((_FRAMES_AT_ONCE, *first.shape))  # one for all: new memory costs time
        frames = torch.stack(self._pending, out=self._buffer[:num_frames])
        if self.processor:
            scaled = scale_decoded(frames, self.processor)  # channels stay interleaved in memory: one copy less
            frames = _apart(scaled) if scaled.shape[-2:] == first.shape[:2] else scaled
        else:
            frames = _apart(frames.permute(0, 3, 1, 2))
        self._chunks.append(frames)
        num_expected = max(num_expected, len(self.numbers))
        if self.max_bytes is not None and self._chunks[-1][0].numel() * num_expected > self.max_bytes:
            raise ClipTooLargeError
        self._pending.clear()

    def stacked(self) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 `(frames, channels, height, width)` and float64 `(frames,)`, when each is shown."""
        if self._pending:
            self._flush(0)
        frames = self._chunks[0] if len(self._chunks) == 1 else torch.cat(self._chunks)
        return frames, torch.tensor(self._times, dtype=torch.float64)


def _apart(frames: torch.Tensor) -> torch.Tensor:
    """A copy with memory of its own, each channel in one piece."""
    return frames.clone(memory_format=torch.contiguous_format)


def _decode_whole(source: VideoSource, wanted: list[int] | None, max_frames: int | None, taken: _Taken) -> bool:
    """All frames of an MP4 file, opened quickly; True where as many came out, in order, as the file declares."""
    if wanted is not None or not is_mp4(source):
        return False
    try:
        with opened(source, quickly=True) as (container, stream):
            if not stream.average_rate or (max_frames or stream.frames) < stream.frames:
                return False
            taken.start(stream)
            latest = None
            for packet in intact_packets(container, stream):
                for frame in packet.decode():
                    if frame.pts is None or (latest is not None and frame.pts <= latest):
                        return False
                    latest = frame.pts
                    taken.add(len(taken.numbers), frame, num_expected=stream.frames)
            return len(taken.numbers) == stream.frames > 0
    except BadVideoError:
        return False  # decoding it again says what is wrong with it


def _decode_by_table(source: VideoSource, wanted: list[int] | None, max_frames: int | None, taken: _Taken) -> bool:
    """What is wanted and nothing else; False where that cannot be done."""
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
            if wanted is None and (not max_frames or max_frames > _HELD_PACKETS):
                return False
            taken.start(stream)
            index, was_read = frame_index(source, container, stream)
            if index is None:
                return False
            if wanted is None:
                wanted = list(range(min(index.num_frames, max_frames or 0)))
            if not wanted or wanted[-1] >= index.num_frames:
                return False
            for number, frame in decode_wanted(container, stream, index, wanted, at_start=not was_read):
                taken.add(number, frame, num_expected=len(wanted))
    except (SeekError, av.error.FFmpegError, EOFError, BadVideoError):
        return False  # decoding from the start finds out what is wrong with the file, if anything is
    return True


def _decode_from_start(source: VideoSource, wanted: list[int] | None, max_frames: int | None, taken: _Taken) -> bool:
    """Frame by frame, counted as they come."""
    stop_at = max_frames if wanted is None else wanted[-1] + 1
    chosen = None if wanted is None else set(wanted)
    num_decoded = 0
    with opened(source) as (container, stream):
        taken.start(stream)
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
    return True
