"""Decode a whole recording, mono and at one sampling rate."""

import os
from typing import TYPE_CHECKING

import numpy as np
import torch

from heygen_hf.data.video.errors import BadVideoError

if TYPE_CHECKING:
    import av


def decode_recording(
    path: str | os.PathLike, *, sampling_rate: int, max_seconds: float | None = None
) -> tuple[torch.Tensor, bool]:
    """Decode a sound file.

    Args:
        path: any file with sound that FFmpeg reads.
        sampling_rate: of the result; the file's own is converted, and the mean of its channels is taken.
        max_seconds: the rest of a longer recording is left out.

    Returns:
        float32 `(samples,)` in [-1, 1], and whether the end was left out.

    Raises:
        BadVideoError: the file cannot be read, has no sound, or ends before it should.
    """
    if not sampling_rate > 0:
        raise ValueError(f"sampling_rate is {sampling_rate}; expected samples per second above 0, such as 16000")
    import av

    try:
        if os.stat(path).st_size == 0:
            raise BadVideoError("the file is empty (zero bytes)")
        with av.open(os.path.abspath(path), mode="r") as container:  # a relative name could name a protocol
            if not container.streams.audio:
                raise BadVideoError("it has no sound")
            return _decode(container, container.streams.audio[0], sampling_rate, max_seconds)
    except FileNotFoundError:
        raise BadVideoError("the file does not exist") from None
    except (av.error.InvalidDataError, EOFError) as error:
        raise BadVideoError("not a readable recording, or truncated") from error
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideoError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _decode(
    container: "av.container.InputContainer", track: "av.AudioStream", sampling_rate: int, max_seconds: float | None
) -> tuple[torch.Tensor, bool]:
    import av

    wanted = None if max_seconds is None else round(max_seconds * sampling_rate)
    # The layout is kept, and the mean taken here: FFmpeg's own way to mono changes the loudness.
    resampler = av.AudioResampler(format="fltp", rate=sampling_rate)
    parts: list[np.ndarray] = []
    length = 0
    for packet in container.demux(track):
        if packet.is_corrupt:
            raise BadVideoError("truncated, or damaged: so its container says")
        for frame in packet.decode():
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray().mean(axis=0))
                length += len(parts[-1])
        if wanted is not None and length > wanted:
            break
    else:
        parts += [piece.to_ndarray().mean(axis=0) for piece in resampler.resample(None)]
    samples = np.nan_to_num(np.concatenate(parts).astype(np.float32)) if parts else np.empty(0, np.float32)
    if not len(samples):
        raise BadVideoError("it has no sound: its track is empty")
    return torch.from_numpy(samples[:wanted]).clamp_(-1, 1), wanted is not None and len(samples) > wanted
