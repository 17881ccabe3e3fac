"""Decode chosen frames only, from the last key packet before them: the same pixels as decoding from the start.

Whatever does not look as the file's table says (`FrameIndex`) ends in `SeekError`, and the caller decodes from the
start instead. Nothing is guessed.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from heygen_hf.data.video.frame_index import FrameIndex

if TYPE_CHECKING:
    import av

# Codecs whose key packets start afresh and whose every packet shows one frame. Not among them, for one: GIF, whose
# frames paint over earlier ones, and VP8, which has packets that show nothing.
_SEEKABLE = {
    *("h264", "hevc", "av1", "vp9", "mpeg1video", "mpeg2video", "mpeg4"),
    *("mjpeg", "prores", "dnxhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"),
}
_FEW_PACKETS = 8  # reading on through so many costs less than another seek


class SeekError(Exception):
    """Frames cannot be reached by seeking in this file."""


def can_seek(stream: "av.VideoStream") -> bool:
    return stream.codec_context.codec.canonical_name in _SEEKABLE


def decode_wanted(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    index: FrameIndex,
    wanted: Sequence[int],
    *,
    at_start: bool,
) -> "Iterator[tuple[int, av.VideoFrame]]":
    """Decode the frames `wanted` (ascending, distinct), in that order.

    Args:
        at_start: nothing has been read from the container yet.

    Raises:
        SeekError: the file does not do as its table says.
    """
    for run in _runs(index, wanted):
        first = index.start_for(run[0])
        yield from _decode_run(container, stream, index, run, at_start=at_start and first == 0)
        at_start = False


def _runs(index: FrameIndex, wanted: Sequence[int]) -> Iterator[list[int]]:
    """Frames that are reached from one key packet, or from the next one with hardly anything between."""
    run: list[int] = []
    start = None
    for frame in wanted:
        new_start = index.start_for(frame)
        if run and new_start != start and new_start is not None and new_start - run[-1] > _FEW_PACKETS:
            yield run
            run = []
        start = new_start
        run.append(frame)
    yield run


def _decode_run(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    index: FrameIndex,
    frames: list[int],
    *,
    at_start: bool,
) -> "Iterator[tuple[int, av.VideoFrame]]":
    packets, frame_at = _read_run(container, stream, index, frames, at_start=at_start)
    decoder = stream.codec_context
    all_key, may_skip = bool(index.is_key.all()), _skips_safely(stream)
    missing = set(frames)
    skipping = False
    last = max(place for place, packet in enumerate(packets) if packet.pts in frame_at)
    try:
        for packet in [*packets[: last + 1], None]:  # None: hand out the frames held back for reordering
            if packet is not None and packet.pts not in frame_at:
                if all_key:
                    continue
                if may_skip and not skipping:
                    decoder.skip_frame, skipping = "NONREF", True
            elif skipping:
                decoder.skip_frame, skipping = "DEFAULT", False
            for frame in decoder.decode(packet):
                if frame.interlaced_frame:
                    raise SeekError("interlaced: a frame can be two packets")
                number = -1 if frame.pts is None else frame_at.get(frame.pts, -1)
                if number in missing:
                    missing.remove(number)
                    yield number, frame
    finally:
        decoder.skip_frame = "DEFAULT"
    if missing:
        raise SeekError("not every packet gave its frame")


def _read_run(
    container: "av.container.InputContainer",
    stream: "av.VideoStream",
    index: FrameIndex,
    frames: list[int],
    *,
    at_start: bool,
) -> "tuple[list[av.Packet], dict[int, int]]":
    """The packets from a key packet to the last one needed, and which presentation time is which frame."""
    for steps_back in range(3):
        start = index.start_for(frames[0], steps_back=steps_back)
        if start is None:
            break
        packets = _packets_from(container, stream, index, start, at_start=at_start)
        at_start = False
        if index.marks_are_presentation_times:
            order = index.presentation_order[frames]
            frame_at = dict(zip(index.marks[order].tolist(), frames, strict=True))
            num_packets = int(order.max()) + 1 - start
            read = [packet for packet, _ in zip(packets, range(num_packets), strict=False)]
            if len(read) < num_packets:
                raise SeekError("the file ends early")
            return read, frame_at
        read, times = _read_until_ordered(packets, index, start, frames[-1])
        first = int(index.shown_before[start])
        frame_at = {times[frame - first]: frame for frame in frames}
        if read[0].pts is not None and min(frame_at) >= read[0].pts:
            return read, frame_at
    raise SeekError("no key packet before the first frame")


def _read_until_ordered(
    packets: "Iterator[av.Packet]", index: FrameIndex, start: int, last_frame: int
) -> "tuple[list[av.Packet], list[int]]":
    """Read until no later packet can be shown before `last_frame`: none is shown before it is decoded."""
    num_wanted = last_frame + 1 - int(index.shown_before[start])
    read = []
    times: list[int] = []
    for packet in packets:
        if packet.pts is None or packet.dts is None or packet.pts < packet.dts:
            raise SeekError("a packet is shown before it is decoded")
        read.append(packet)
        if not packet.is_discard:
            times.append(packet.pts)
        if len(times) >= num_wanted and sorted(times)[num_wanted - 1] <= packet.dts:
            break
    else:
        if start + len(read) < len(index.marks) or len(times) < num_wanted:
            raise SeekError("the file ends early")
    times.sort()
    return read, times


def _packets_from(
    container: "av.container.InputContainer", stream: "av.VideoStream", index: FrameIndex, start: int, *, at_start: bool
) -> "Iterator[av.Packet]":
    """Packets from a place on, each compared with the table."""
    place: int | None = None
    if not at_start:
        container.seek(int(index.marks[start]), stream=stream)
    for packet in container.demux(stream):
        if not packet.size:
            continue
        place = index.place_of(packet) if place is None else place + 1
        if place is None or (place > start and not at_start) or packet.is_corrupt or not index.is_at(packet, place):
            raise SeekError("the packets found are not those of the table")
        if place >= start:
            at_start = True  # found; from here on places are beyond it
            yield packet


def _skips_safely(stream: "av.VideoStream") -> bool:
    """Whether packets that the decoder calls "not for reference" really are for none, so that leaving them out
    changes no other frame."""
    name = stream.codec_context.codec.canonical_name
    if name == "hevc":
        # there, "for none of the same temporal layer"; byte 21 of its configuration has the number of layers
        setup = stream.codec_context.extradata or b""
        return len(setup) > 21 and setup[0] == 1 and setup[21] >> 3 & 7 == 1
    return name in {"h264", "mpeg1video", "mpeg2video", "mpeg4"}
