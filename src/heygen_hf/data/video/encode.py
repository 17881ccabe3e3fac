"""Write clips as H.264 `.mp4` files: small ones that play everywhere, or exact ones; with sound if there is any."""

import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    import av

# The rates that AAC has names for; any other would have to be resampled, which is the caller's choice to make.
AAC_RATES = (7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_AAC_BITS_PER_SAMPLE = 6  # the most the format allows for one channel: speech comes back with the loudness it had
_MOST_AAC_BITS_PER_SECOND = 128_000


def write_video(
    path: str | os.PathLike,
    frames: torch.Tensor | np.ndarray,
    *,
    frame_rate: float = 8.0,
    lossless: bool = False,
    constant_rate_factor: int = 12,
    audio: torch.Tensor | np.ndarray | None = None,
    sampling_rate: int | None = None,
) -> Path:
    """Write one clip; the file appears whole or not at all.

    By default: yuv420p, which every player and browser shows. Colour has half the resolution there, and an odd height
    or width gets one more row or column, a copy of its neighbour. With `lossless`: RGB without any loss
    (libx264rgb), odd sizes kept, which FFmpeg, VLC, mpv and Python read and some browsers do not.

    Args:
        path: of the `.mp4` file; its folder must exist.
        frames: uint8 `(frames, channels, height, width)`, RGB.
        frame_rate: frames per second.
        lossless: keep every pixel value.
        constant_rate_factor: quality of the default kind, 0 (largest file) to 51; 12 shows no difference to
            the eye.
        audio: floating point `(samples,)`, mono, in [-1, 1] (beyond that it is clipped): the sound from the first
            frame on, as an AAC track of as many samples, be it shorter or longer than the frames. None for no track.
        sampling_rate: of the audio, samples per second; one of those AAC has.

    Raises:
        ValueError: frames or audio of another kind.
    """
    with VideoWriter(
        path,
        frame_rate=frame_rate,
        lossless=lossless,
        constant_rate_factor=constant_rate_factor,
        audio=audio,
        sampling_rate=sampling_rate,
    ) as writer:
        writer.write(frames)
    return writer.path


class VideoWriter:
    """`write_video` for frames that come piece by piece: only those of a piece are in memory.

    A context manager; the file appears whole when it is left, and not at all where an error is raised within.

    Args:
        path, frame_rate, lossless, constant_rate_factor, audio, sampling_rate: as for `write_video`.

    Example:
        >>> with VideoWriter("long.mp4", frame_rate=8) as writer:
        ...     for frames in pieces:
        ...         writer.write(frames)
    """

    def __init__(
        self,
        path: str | os.PathLike,
        *,
        frame_rate: float = 8.0,
        lossless: bool = False,
        constant_rate_factor: int = 12,
        audio: torch.Tensor | np.ndarray | None = None,
        sampling_rate: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.frame_rate, self.lossless, self.constant_rate_factor = frame_rate, lossless, constant_rate_factor
        self._sound, self._sampling_rate = _checked_audio(audio, sampling_rate), sampling_rate
        if not frame_rate > 0:
            raise ValueError(f"frame_rate is {frame_rate}; expected frames per second above 0")
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        self._container: Any = None  # an output container of av
        self._stream: Any = None
        self._track: Any = None
        self._shape: tuple[int, ...] | None = None

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, frames: torch.Tensor | np.ndarray) -> None:
        """Append frames, uint8 `(frames, channels, height, width)`.

        Raises:
            ValueError: frames of another kind, or of another size than those before.
        """
        import av  # heavy; this module is imported by the light façade

        pixels = _checked_pixels(frames)
        if self._shape not in (None, pixels.shape[1:]):
            raise ValueError(f"frames is {pixels.shape} after frames of {self._shape}; one video has one size")
        self._shape = pixels.shape[1:]
        pixels = pixels.transpose(0, 2, 3, 1)
        if not self.lossless:
            odd_rows, odd_columns = pixels.shape[1] % 2, pixels.shape[2] % 2
            pixels = np.pad(pixels, ((0, 0), (0, odd_rows), (0, odd_columns), (0, 0)), mode="edge")
        if self._container is None:
            self._open(*pixels.shape[1:3])
        assert self._container is not None
        for frame_pixels in pixels:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_pixels), format="rgb24")
            self._container.mux(self._stream.encode(frame))

    def _open(self, height: int, width: int) -> None:
        import av

        # bitexact: no version strings in the file, so that the same frames give the same bytes
        options = {"fflags": "+bitexact"} if self.lossless else {"movflags": "+faststart"}
        self._container = av.open(str(self._partial), "w", format="mp4", options=options)
        # the rate as a fraction that players take: 30000/1001 and not 29.97002997...
        rate = Fraction(self.frame_rate).limit_denominator(1001)
        codec_options = (
            {"preset": "ultrafast", "qp": "0"}
            if self.lossless
            else {"preset": "medium", "crf": str(self.constant_rate_factor)}
        )
        codec = "libx264rgb" if self.lossless else "libx264"
        self._stream = self._container.add_stream(codec, rate=rate, options=codec_options)
        self._stream.height, self._stream.width = height, width
        self._stream.pix_fmt = "rgb24" if self.lossless else "yuv420p"
        self._stream.codec_context.thread_count = 1 if self.lossless else 0  # 1: deterministic, faster for small clips
        # all tracks before the first packet: that writes the header
        self._track = None if self._sound is None else _add_audio_track(self._container, self._sampling_rate)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self._container is not None:
                try:
                    if kind is None:
                        self._container.mux(self._stream.encode())
                        if self._track is not None and self._sound is not None:
                            _write_audio(self._container, self._track, self._sound)
                finally:
                    self._container.close()
                if kind is None:
                    os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)


def _checked_pixels(frames: torch.Tensor | np.ndarray) -> np.ndarray:
    pixels = np.asarray(frames)
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3 or pixels.shape[0] == 0:
        raise ValueError(
            f"frames is {pixels.dtype}{pixels.shape}; expected uint8 (frames, channels, height, width) with "
            "3 channels and at least one frame"
        )
    return pixels


def _checked_audio(audio: torch.Tensor | np.ndarray | None, sampling_rate: int | None) -> np.ndarray | None:
    if audio is None:
        if sampling_rate is not None:
            raise ValueError(f"sampling_rate is {sampling_rate} and there is no audio; give both or neither")
        return None
    samples = np.asarray(audio)
    if not np.issubdtype(samples.dtype, np.floating) or samples.ndim != 1 or len(samples) == 0:
        raise ValueError(
            f"audio is {samples.dtype}{samples.shape}; expected floating point (samples,), mono, in [-1, 1] and at "
            "least one sample: take the mean of several channels"
        )
    if not np.isfinite(samples).all():
        raise ValueError("audio has samples that are not finite; expected numbers in [-1, 1]")
    if sampling_rate not in AAC_RATES:
        known = ", ".join(map(str, AAC_RATES))
        raise ValueError(f"sampling_rate is {sampling_rate}; AAC has {known}: resample the audio to one of them")
    return np.clip(samples, -1, 1).astype(np.float32)


def _add_audio_track(container: "av.container.OutputContainer", sampling_rate: int | None) -> "av.AudioStream":
    assert sampling_rate is not None
    track = container.add_stream("aac", rate=sampling_rate, options={"flags": "+bitexact"})
    track.layout = "mono"
    track.bit_rate = min(_AAC_BITS_PER_SAMPLE * sampling_rate, _MOST_AAC_BITS_PER_SECOND)
    return track


def _write_audio(container: "av.container.OutputContainer", track: "av.AudioStream", samples: np.ndarray) -> None:
    import av

    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = track.rate
    frame.time_base = Fraction(1, track.rate)
    frame.pts = 0
    container.mux(track.encode(frame))
    container.mux(track.encode())
