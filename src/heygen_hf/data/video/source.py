"""Open a clip, from a file or from memory, with one kind of error for everything that can be wrong with it.

One thread for each clip: workers decode different clips at the same time, and for small frames FFmpeg's
threads cost more than they save (the colour conversion of 32x32 frames is 20 times slower with its own thread
pool).
"""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from heygen_hf.data.video.errors import BadVideoError

if TYPE_CHECKING:
    import av

VideoSource = str | os.PathLike | bytes
"""A path, or a whole encoded file held in memory, as in the rows of a Parquet file."""

_MOST_PIXELS = 8192 * 8192  # of a frame; 8K video has half as many
_FALLBACK_FRAME_RATE = 25.0  # for the rare file that declares none


# FFmpeg decodes the first frames of a file on opening it, to learn what MP4's own tables say already. Keeping the
# decoders from it makes opening ten times as fast.
_UNDECODED = {"codec_whitelist": "none", "probesize": "32"}


@contextmanager
def opened(
    source: VideoSource, *, quickly: bool = False
) -> Iterator["tuple[av.container.InputContainer, av.VideoStream]"]:
    """The container and its video stream; anything wrong with the file, here or inside, is a `BadVideoError`.

    Args:
        quickly: leave out the decoding of the first frames, from which FFmpeg also learns by how much frames are
            reordered where the file does not say; the caller checks then that every frame came out.
    """
    import av  # carries FFmpeg; imported where it is used so that `heygen_hf.data` stays light

    try:
        options = _UNDECODED if quickly else {}
        with av.open(_readable(source), mode="r", options=options) as container:
            stream = video_stream(container)
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
            # A damaged header may declare any size, and some decoders then fill that many pixels with grey.
            stream.codec_context.options = {"max_pixels": str(_MOST_PIXELS)}
            yield container, stream
    except FileNotFoundError:
        raise BadVideoError("the file does not exist") from None
    except IsADirectoryError:
        raise BadVideoError("it is a folder, not a file") from None
    except av.error.InvalidDataError as error:
        raise BadVideoError(f"not a readable video, or truncated ({error.strerror})") from error
    except av.error.ArgumentError as error:
        largest = f"or its frames have more than {_MOST_PIXELS // 2**20} million pixels"
        raise BadVideoError(f"its decoder refuses it ({error.strerror}), {largest}") from error
    except EOFError as error:
        raise BadVideoError("truncated: the file ends before its frames do") from error
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideoError(f"cannot be read ({getattr(error, 'strerror', None) or error})") from error


def _readable(source: VideoSource) -> str | io.BytesIO:
    """What `av.open` takes; an empty file is refused here, because FFmpeg's reason would be another each time."""
    if isinstance(source, bytes | bytearray | memoryview):
        if len(source) == 0:
            raise BadVideoError("the file is empty (zero bytes)")
        return io.BytesIO(source)
    status = os.stat(source)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError
    if not stat.S_ISREG(status.st_mode):
        raise BadVideoError("it is not a regular file")  # a named pipe would be waited for
    if status.st_size == 0:
        raise BadVideoError("the file is empty (zero bytes)")
    return os.path.abspath(source)  # a relative name such as concat:a.mp4 would be a protocol of FFmpeg's


def is_mp4(source: VideoSource) -> bool:
    """Whether a file begins as MP4 and MOV files do."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source[4:8]) == b"ftyp"
    try:
        with open(source, "rb") as file:
            return file.read(8)[4:] == b"ftyp"
    except OSError:
        return False  # whoever opens it says why


def video_stream(container: "av.container.InputContainer") -> "av.VideoStream":
    """The stream that a player shows: FFmpeg's choice among several, cover art left out."""
    import av

    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise BadVideoError("it has no video stream")
    best = container.streams.best("video") if len(streams) > 1 else streams[0]
    stream = best if best in streams else streams[0]
    if stream.codec_context is None:
        raise BadVideoError("its video codec is unknown to this build of FFmpeg")
    return stream


def frame_rate_of(stream: "av.VideoStream") -> float:
    """Frames per second as declared, on average where it varies."""
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate
    return float(rate) if rate else _FALLBACK_FRAME_RATE


def intact_packets(
    container: "av.container.InputContainer", stream: "av.VideoStream"
) -> "Iterator[av.Packet[av.VideoStream]]":
    """Packets up to the end that the file declares; a file that ends before is truncated."""
    num_packets = 0
    for packet in container.demux(stream):
        if packet.size:
            num_packets += 1
        if packet.is_corrupt:
            raise BadVideoError(f"truncated: damaged after {num_packets - 1} of {stream.frames or '?'} frames")
        yield packet
    if num_packets < stream.frames:  # 0 where the container does not declare them
        raise BadVideoError(f"truncated: {num_packets} of its {stream.frames} frames are there")
