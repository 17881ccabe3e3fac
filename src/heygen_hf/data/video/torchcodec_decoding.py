"""Decode with torchcodec: the frames that PyAV gives, through the FFmpeg of the system."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from heygen_hf._optional import require
from heygen_hf.data.video.errors import BadVideoError, ClipTooLargeError, ShortVideoError
from heygen_hf.data.video.scaling import scale_decoded
from heygen_hf.data.video.source import VideoSource, opened
from heygen_hf.types import VideoClip

if TYPE_CHECKING:
    from heygen_hf.processing import VideoProcessor

_FRAMES_AT_ONCE = 16


def decode_with_torchcodec(
    source: VideoSource,
    indices: Sequence[int] | None = None,
    *,
    processor: "VideoProcessor | None" = None,
    max_frames: int | None = None,
    max_bytes: int | None = None,
) -> VideoClip:
    """`decode_frames` with torchcodec; see there.

    Raises:
        ImportError: torchcodec is not installed, or does not find the FFmpeg it needs.
        BadVideoError: the file cannot be used.
    """
    require("torchcodec")
    from torchcodec.decoders import VideoDecoder

    with opened(source) as (_, stream):  # the reason for a bad file, and the same stream of several
        stream_index = stream.index
    try:
        decoder = VideoDecoder(_as_torchcodec_takes(source), stream_index=stream_index, num_ffmpeg_threads=1)
        total = len(decoder)
        wanted = list(range(min(total, max_frames or total)) if indices is None else indices)
        if not wanted:
            raise BadVideoError("its video stream has no frames")
        if max(wanted) >= total:
            raise ShortVideoError(num_frames=total, asked_for=max(wanted))
        chunks, times, size = _decode(decoder, sorted(set(wanted)), processor, max_bytes)
    except (RuntimeError, IndexError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadVideoError(f"not a readable video, or truncated ({first_line})") from error
    frames, stamps = torch.cat(chunks), torch.cat(times).double()
    place_of = {number: place for place, number in enumerate(sorted(set(wanted)))}
    order = torch.tensor([place_of[number] for number in wanted])
    rate = decoder.metadata.average_fps or 1.0
    return VideoClip(frames=frames[order], frame_rate=float(rate), timestamps_seconds=stamps[order], source_size=size)


def _decode(
    decoder: Any, wanted: list[int], processor: "VideoProcessor | None", max_bytes: int | None
) -> tuple[list[torch.Tensor], list[torch.Tensor], tuple[int, int]]:
    chunks, times = [], []
    for first in range(0, len(wanted), _FRAMES_AT_ONCE):
        batch = decoder.get_frames_at(wanted[first : first + _FRAMES_AT_ONCE])
        frames = scale_decoded(batch.data.permute(0, 2, 3, 1), processor) if processor else batch.data.contiguous()
        if max_bytes is not None and frames[0].numel() * len(wanted) > max_bytes:
            raise ClipTooLargeError
        chunks.append(frames)
        times.append(batch.pts_seconds)
    return chunks, times, (batch.data.shape[-2], batch.data.shape[-1])


def _as_torchcodec_takes(source: VideoSource) -> Any:
    return source if isinstance(source, bytes | str) else os.fspath(source)
