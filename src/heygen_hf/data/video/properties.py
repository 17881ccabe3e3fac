"""What a clip is, without decoding more than one frame of it."""

from dataclasses import dataclass, field

import numpy as np

from heygen_hf.data.video.conversion import is_turned
from heygen_hf.data.video.errors import BadVideoError
from heygen_hf.data.video.source import VideoSource, frame_rate_of, intact_packets, opened


@dataclass(frozen=True)
class VideoProperties:
    """What a file says about itself, and how many frames it really has packets for.

    Attributes:
        num_frames: packets with a frame to show.
        frame_rate: frames per second, the average where it varies.
        height, width: of the frames as shown, upright.
        duration_seconds: from when the first frame appears to when the last one ends.
        codec: FFmpeg's name for it, such as "h264".
        pixel_format: FFmpeg's name for it, such as "yuv420p".
        rotation_degrees: by which a player turns the frames, counter-clockwise.
        is_variable_frame_rate: some frames are shown longer than others, by more than rounding.
        start_seconds: when the first frame is shown; 0 in most files.
        has_audio: there is a sound track.
        timestamps_seconds: float64 `(frames,)`, when each frame is shown, ascending.
    """

    num_frames: int
    frame_rate: float
    height: int
    width: int
    duration_seconds: float = 0.0
    codec: str = ""
    pixel_format: str = ""
    rotation_degrees: int = 0
    is_variable_frame_rate: bool = False
    start_seconds: float = 0.0
    has_audio: bool = False
    timestamps_seconds: np.ndarray = field(default_factory=lambda: np.zeros(0), compare=False, repr=False)


def probe_video(source: VideoSource) -> VideoProperties:
    """Read a file's properties and count its frames by reading all packets; only the first frame is decoded.

    Args:
        source: any file FFmpeg reads, as a path or as its bytes.

    Raises:
        BadVideoError: the file cannot be used, with the reason.
    """
    with opened(source) as (container, stream):
        frame = None
        times: list[int | None] = []
        last_duration = 0
        for packet in intact_packets(container, stream):
            if packet.size and not packet.is_discard:
                times.append(packet.pts)
                last_duration = packet.duration or 0
            if frame is None:
                frame = next(iter(packet.decode()), None)
        if frame is None:
            raise BadVideoError("its video stream has no frames")
        rate, tick = frame_rate_of(stream), float(stream.time_base or 0)
        seconds = _shown_at(times, tick, rate)
        turned = is_turned(frame.rotation)
        return VideoProperties(
            num_frames=len(times),
            frame_rate=rate,
            height=frame.width if turned else frame.height,
            width=frame.height if turned else frame.width,
            duration_seconds=float(seconds[-1] - seconds[0]) + (last_duration * tick or 1 / rate),
            codec=stream.codec_context.codec.canonical_name,
            pixel_format=frame.format.name,
            rotation_degrees=int(frame.rotation),
            is_variable_frame_rate=_varies(seconds, tick),
            start_seconds=float(seconds[0]),
            has_audio=bool(container.streams.audio),
            timestamps_seconds=seconds,
        )


def _shown_at(times: list[int | None], tick: float, frame_rate: float) -> np.ndarray:
    known = [time for time in times if time is not None]
    if tick and len(known) == len(times):
        return np.sort(np.array(known, dtype=np.int64)) * tick
    start = min(known, default=0) * tick  # old containers give decoding times only: evenly spaced then
    return start + np.arange(len(times)) / frame_rate


def _varies(seconds: np.ndarray, tick: float) -> bool:
    if len(seconds) < 3:
        return False
    steps = np.diff(seconds)
    return bool(steps.max() - steps.min() > max(2.001 * tick, 0.02 * float(np.median(steps))))
