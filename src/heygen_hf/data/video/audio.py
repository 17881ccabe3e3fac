"""Decode the sound that belongs to a time span of a clip, as one waveform in step with its frames."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from heygen_hf.data.video.errors import BadVideoError
from heygen_hf.data.video.source import VideoSource, opened

if TYPE_CHECKING:
    import av

# Decoding starts so much before the span: Opus needs 80 ms and AAC a packet until they are right after a seek.
# Where a file's seek lands too late, it is tried further back, and then from the file's start.
_STEPS_BACK_SECONDS = (0.25, 5.0)
_MARGIN_SECONDS = 0.02  # of sound on both sides, for the resampler's filter
_MAX_JITTER_SECONDS = 0.003  # containers round times, to milliseconds at worst; a larger step is a real gap


@dataclass(frozen=True)
class AudioClip:
    """A waveform.

    Attributes:
        samples: float32 `(samples,)`, mono, in [-1, 1].
        sampling_rate: samples per second.
        has_track: False where the file has no sound at all, and the samples are silence.
        num_silent: samples of the span before the track starts, after it ends, or in its gaps: silence.
    """

    samples: torch.Tensor
    sampling_rate: int
    has_track: bool
    num_silent: int


def decode_audio(
    source: VideoSource, *, start_seconds: float, duration_seconds: float, sampling_rate: int
) -> AudioClip:
    """Decode the sound of a span of the video's time.

    Time counts from the first video frame: frame `n` of a clip with a constant frame rate is heard from
    `n / frame_rate` on, wherever the tracks of the file start. The priming samples of encoders are left out as
    the file says (an .avi has no place to say so: there MP3 comes 25 ms late, as in players).

    Args:
        source: any file FFmpeg reads, as a path or as its bytes.
        start_seconds: after the first frame is shown, at least 0.
        duration_seconds: length of the span.
        sampling_rate: of the result; the file's own is converted, and the mean of its channels is taken.

    Returns:
        `round(duration_seconds * sampling_rate)` samples.

    Raises:
        BadVideoError: the file cannot be read, or its sound is damaged or truncated within the span.
    """
    if not (math.isfinite(start_seconds) and start_seconds >= 0):
        raise ValueError(f"start_seconds is {start_seconds}; expected seconds after the first frame, at least 0")
    if not (math.isfinite(duration_seconds) and duration_seconds > 0):
        raise ValueError(f"duration_seconds is {duration_seconds}; expected seconds above 0")
    if not sampling_rate > 0:
        raise ValueError(f"sampling_rate is {sampling_rate}; expected samples per second above 0, such as 16000")
    import av

    num_samples = round(duration_seconds * sampling_rate)
    with opened(source) as (container, video):
        track = container.streams.best("audio")
        if not isinstance(track, av.AudioStream):
            return AudioClip(torch.zeros(num_samples), sampling_rate, has_track=False, num_silent=num_samples)
        if track.codec_context is None:
            raise BadVideoError("its audio codec is unknown to this build of FFmpeg")
        start = _start_of(video) + start_seconds
        for seek_to in (*(start - seconds for seconds in _STEPS_BACK_SECONDS), None):
            span = _Span(start, start + duration_seconds)
            if _fill(span, container, track, seek_to=seek_to):
                break
    return _resampled(span, num_samples=num_samples, sampling_rate=sampling_rate)


def _start_of(stream: "av.VideoStream | av.AudioStream") -> float:
    return float((stream.start_time or 0) * (stream.time_base or 1))


class _Span:
    """Mono samples at the track's own rate, from a little before a time to a little after another."""

    def __init__(self, start_seconds: float, end_seconds: float) -> None:
        self.start_seconds, self.end_seconds = start_seconds - _MARGIN_SECONDS, end_seconds + _MARGIN_SECONDS
        self.rate = 0
        self.samples = np.empty(0, dtype=np.float32)
        self.is_heard = np.empty(0, dtype=bool)
        self._next: int | None = None  # where the next frame goes, if its time does not say otherwise

    def add(self, seconds: float | None, samples: np.ndarray, rate: int) -> float:
        """Put a frame in its place; returns the time at which it ends."""
        if self.rate == 0:
            self.rate = rate
            num_samples = math.ceil((self.end_seconds - self.start_seconds) * rate)
            self.samples = np.zeros(num_samples, dtype=np.float32)
            self.is_heard = np.zeros(num_samples, dtype=bool)
        if rate != self.rate:
            raise BadVideoError(f"its audio is damaged (the sampling rate changes from {self.rate} to {rate})")
        place = self._next or 0
        if seconds is not None:
            told = round((seconds - self.start_seconds) * rate)
            if self._next is None or abs(told - self._next) > _MAX_JITTER_SECONDS * rate:
                place = told
        self._next = place + len(samples)
        first, last = max(place, 0), min(self._next, len(self.samples))
        if first < last:
            self.samples[first:last] = samples[first - place : last - place]
            self.is_heard[first:last] = True
        return self.start_seconds + self._next / rate


def _fill(
    span: _Span, container: "av.container.InputContainer", track: "av.AudioStream", *, seek_to: float | None
) -> bool:
    """Decode into the span, from a time on. False: that landed after the start of the span, try further back."""
    import av

    begin, tick = _start_of(track), float(track.time_base or 1)
    if seek_to is None or seek_to <= begin:
        seek_to, target = None, begin - 1  # before the start, so that the priming samples are read too
    else:
        target = seek_to
    container.seek(int(target / tick), stream=track)
    latest_start = max(span.start_seconds, begin) + _MAX_JITTER_SECONDS
    to_float: av.AudioResampler | None = None
    described, last_dts, found_any = None, None, False
    for packet in container.demux(track):
        last_dts = packet.dts if packet.dts is not None else last_dts
        for frame in _decoded(packet, span):
            if not found_any and seek_to is not None and frame.time is not None and frame.time > latest_start:
                return False
            found_any = True
            if described != (frame.format.name, frame.layout.name, frame.rate):
                described = (frame.format.name, frame.layout.name, frame.rate)
                to_float = av.AudioResampler(format="fltp", rate=frame.rate)
            assert to_float is not None
            seconds, rate = frame.time, frame.rate
            samples = [part.to_ndarray().mean(axis=0) for part in to_float.resample(frame)]
            if samples and span.add(seconds, np.concatenate(samples), rate) >= span.end_seconds:
                return True
    _refuse_if_truncated(track, span, last_dts)
    return found_any


def _decoded(packet: "av.Packet[av.AudioStream]", span: _Span) -> "Iterator[av.AudioFrame]":
    import av

    try:
        if packet.is_corrupt:
            raise BadVideoError("marked so by the container")
        yield from packet.decode()
    except (av.error.FFmpegError, BadVideoError) as error:
        tick = float(packet.time_base or 1)
        if packet.pts is not None and (packet.pts + (packet.duration or 0)) * tick <= span.start_seconds:
            return  # what a decoder says about the first packet after a seek is of no account
        raise BadVideoError("its audio is damaged, or truncated") from error


def _refuse_if_truncated(track: "av.AudioStream", span: _Span, last_dts: int | None) -> None:
    """At the end of the file: an .mp4 says which packets there should have been."""
    tick = float(track.time_base or 1)
    for entry in reversed(track.index_entries):
        if last_dts is not None and entry.timestamp <= last_dts:
            return
        if not entry.is_discard and entry.timestamp * tick < span.end_seconds - _MARGIN_SECONDS:
            raise BadVideoError("truncated: the file ends before its sound does")


def resample(samples: np.ndarray, sampling_rate: int, to_rate: int) -> np.ndarray:
    """Samples `(samples,)`, float32, at another rate."""
    import av

    if sampling_rate == to_rate:
        return samples
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=to_rate)
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
    frame.sample_rate = sampling_rate
    parts = [part.to_ndarray()[0] for part in [*resampler.resample(frame), *resampler.resample(None)]]
    return np.concatenate(parts)


def _resampled(span: _Span, *, num_samples: int, sampling_rate: int) -> AudioClip:
    if span.rate == 0:
        return AudioClip(torch.zeros(num_samples), sampling_rate, has_track=True, num_silent=num_samples)
    samples = resample(np.nan_to_num(span.samples), span.rate, sampling_rate)
    first = round(_MARGIN_SECONDS * sampling_rate)
    waveform = np.zeros(num_samples, dtype=np.float32)
    inside = samples[first : first + num_samples]
    waveform[: len(inside)] = inside
    margin = round(_MARGIN_SECONDS * span.rate)
    heard = span.is_heard[margin : len(span.is_heard) - margin]
    num_silent = round(num_samples * (1 - float(heard.mean()))) if len(heard) else 0
    return AudioClip(torch.from_numpy(waveform).clamp_(-1, 1), sampling_rate, has_track=True, num_silent=num_silent)
