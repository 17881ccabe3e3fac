"""Read clips with PyAV: RGB frames in the order and orientation in which a player shows them.

One thread for each clip: workers decode different clips at the same time, and for small frames FFmpeg's
threads cost more than they save (the colour conversion of 32x32 frames is 20 times slower with its own thread
pool).
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    import av

    from heygen_hf.processing import VideoProcessor

_FRAMES_AT_ONCE = 16  # so many full-size frames are held before they are scaled
_FALLBACK_FRAME_RATE = 25.0  # for the rare file that declares none


class BadVideoError(ValueError):
    """A file cannot be used as a clip; the message is the reason, without the file's name."""


class ShortVideoError(BadVideoError):
    """A file has fewer frames than were asked of it, though not none."""

    def __init__(self, *, num_frames: int, asked_for: int) -> None:
        super().__init__(f"it has {num_frames} frames, number {asked_for} (from 0) was asked for")
        self.num_frames = num_frames


class ClipTooLargeError(Exception):
    """A clip has more pixels than the caller wants to hold (`max_bytes`)."""


@dataclass(frozen=True)
class VideoProperties:
    """What a file says about itself, and how many frames it really has packets for."""

    num_frames: int
    frame_rate: float
    height: int
    width: int


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator["tuple[av.container.InputContainer, av.VideoStream]"]:
    """The container and its video stream; anything wrong with the file, here or inside, is a
    `BadVideoError`."""
    import av  # carries FFmpeg; imported where it is used so that `heygen_hf.data` stays light

    name = os.fspath(path)
    try:
        if os.path.getsize(name) == 0:
            raise BadVideoError("the file is empty (zero bytes)")
        with av.open(name) as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise BadVideoError("it has no video stream")
            stream = streams[0]
            if stream.codec_context is None:
                raise BadVideoError("its video codec is unknown to this build of FFmpeg")
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            yield container, stream
    except FileNotFoundError:
        raise BadVideoError("the file does not exist") from None
    except IsADirectoryError:
        raise BadVideoError("it is a folder, not a file") from None
    except av.error.InvalidDataError as error:
        raise BadVideoError(f"not a readable video, or truncated ({error.strerror})") from error
    except EOFError as error:
        raise BadVideoError("truncated: the file ends before its frames do") from error
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideoError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _frame_rate(stream: "av.VideoStream") -> float:
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else _FALLBACK_FRAME_RATE


def _iterate_frames(container: "av.container.InputContainer", stream: "av.VideoStream") -> "Iterator[av.VideoFrame]":
    """Frames in presentation order. A file that ends before the number of frames it declares is truncated."""
    num_packets = 0
    for packet in container.demux(stream):
        if packet.size:
            num_packets += 1
            if packet.is_corrupt:
                raise BadVideoError(f"truncated: damaged after {num_packets - 1} of {stream.frames or '?'} frames")
        yield from packet.decode()
    if num_packets < stream.frames:  # 0 where the container does not declare them
        raise BadVideoError(f"truncated: {num_packets} of its {stream.frames} frames are there")


def _upright(pixels: np.ndarray, rotation_degrees: int) -> np.ndarray:
    """Turn `(height, width, channels)` as the container's display matrix asks, counter-clockwise."""
    quarter_turns = round(rotation_degrees / 90) % 4
    return np.rot90(pixels, quarter_turns) if quarter_turns else pixels


def probe_video(path: str | os.PathLike) -> VideoProperties:
    """Read a file's properties and count its frames by reading all packets, without decoding more than one
    frame.

    Raises:
        BadVideoError: the file cannot be used, with the reason.
    """
    with _opened(path) as (container, stream):
        try:
            frame = next(_iterate_frames(container, stream))
        except StopIteration:
            raise BadVideoError("its video stream has no frames") from None
        turned = round(frame.rotation / 90) % 2 == 1
        height, width = (frame.width, frame.height) if turned else (frame.height, frame.width)
    with _opened(path) as (container, stream):
        num_packets = 0
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard:
                num_packets += 1
            if packet.is_corrupt:
                raise BadVideoError(f"truncated: damaged after {num_packets} of {stream.frames or '?'} frames")
        if num_packets < stream.frames:
            raise BadVideoError(f"truncated: {num_packets} of its {stream.frames} frames are there")
        return VideoProperties(num_frames=num_packets, frame_rate=_frame_rate(stream), height=height, width=width)


def decode_frames(
    path: str | os.PathLike,
    indices: Sequence[int] | None = None,
    *,
    processor: "VideoProcessor | None" = None,
    max_frames: int | None = None,
    max_bytes: int | None = None,
) -> VideoClip:
    """Decode frames of one file; nothing after the last one needed is decoded.

    Args:
        path: any file FFmpeg reads.
        indices: which frames, in any order, repeats allowed; None for all of them.
        processor: scales frames as they are decoded (`VideoProcessor.scale`, no crop), which bounds the
            memory.
        max_frames: stop after so many.
        max_bytes: raise `ClipTooLargeError` rather than return more, before decoding where the file says its
            length.

    Returns:
        uint8 RGB frames, upright, in the order of `indices`, with the times at which they are shown.

    Raises:
        BadVideoError: the file cannot be read, is truncated, or has fewer frames than `indices` asks for.
    """
    from av.video.reformatter import VideoReformatter

    wanted = None if indices is None else set(indices)
    stop_at = max_frames if wanted is None else max(wanted) + 1
    to_rgb = VideoReformatter()
    position_of: dict[int, int] = {}
    pending: list[np.ndarray] = []
    chunks: list[torch.Tensor] = []
    times: list[float] = []

    def flush(num_declared: int) -> None:
        frames = torch.from_numpy(np.stack(pending)).permute(0, 3, 1, 2)
        # contiguous: what is kept must not hold on to the interleaved original
        chunks.append((processor.scale(frames) if processor else frames).contiguous())
        num_expected = max(len(times), min(num_declared, stop_at or num_declared) if wanted is None else len(wanted))
        if max_bytes is not None and chunks[-1][0].numel() * num_expected > max_bytes:
            raise ClipTooLargeError
        pending.clear()

    with _opened(path) as (container, stream):
        frame_rate = _frame_rate(stream)
        num_decoded = 0
        for frame in _iterate_frames(container, stream):
            index, num_decoded = num_decoded, num_decoded + 1
            if wanted is None or index in wanted:
                position_of[index] = len(times)
                times.append(frame.time if frame.time is not None else index / frame_rate)
                rgb = to_rgb.reformat(frame, format="rgb24", threads=1)
                pixels = _upright(rgb.to_ndarray(), frame.rotation)
                if pending and pixels.shape != pending[0].shape:
                    raise BadVideoError(
                        f"its frame size changes from {pending[0].shape[1]}x{pending[0].shape[0]} to "
                        f"{pixels.shape[1]}x{pixels.shape[0]}"
                    )
                pending.append(pixels)
                if len(pending) == _FRAMES_AT_ONCE:
                    flush(stream.frames)
            if stop_at is not None and num_decoded >= stop_at:
                break
    if num_decoded == 0:
        raise BadVideoError("its video stream has no frames")
    if wanted is not None and len(position_of) < len(wanted):
        raise ShortVideoError(num_frames=num_decoded, asked_for=max(wanted))
    if pending:
        flush(num_declared=0)
    frames = chunks[0] if len(chunks) == 1 else _joined(chunks)
    stamps = torch.tensor(times, dtype=torch.float64)
    if indices is not None and list(indices) != list(position_of):
        order = torch.tensor([position_of[index] for index in indices])
        frames, stamps = frames[order], stamps[order]
    return VideoClip(frames=frames, frame_rate=frame_rate, timestamps_seconds=stamps)


def _joined(chunks: list[torch.Tensor]) -> torch.Tensor:
    sizes = {tuple(chunk.shape[-2:]) for chunk in chunks}
    if len(sizes) > 1:
        raise BadVideoError(f"its frame size changes: {sorted(sizes)} (height, width)")
    return torch.cat(chunks)
