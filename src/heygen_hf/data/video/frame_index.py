"""Which packet shows which frame, read without decoding anything.

A frame's number is its place in the order of presentation; a file stores packets in the order of decoding,
which differs where frames are predicted from later ones (B-frames). Two ways lead to the table:

- MP4 and MOV files carry a complete table of their packets, read when the file is opened. It has the order of
  decoding only; times of presentation are learnt from the few packets that are read for
  decoding, so nothing but those is ever read, however long the file.
- Any other file is read through once, packet by packet.

Tables are kept for the files used last.
"""

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from heygen_hf.data.video.source import VideoSource

if TYPE_CHECKING:
    import av

_NUM_FILES_KEPT = 64  # 2 MB for an hour of 30 frames/s
_kept: "OrderedDict[tuple, FrameIndex]" = OrderedDict()


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The packets of a video stream in the order of decoding.

    Attributes:
        marks: int64 `(packets,)`, what each is known by: its presentation time, or its decoding time where the
            table came with the file; distinct, in ticks of the stream's time base.
        sizes: int64 `(packets,)`, bytes of each.
        is_key: bool `(packets,)`, decoding can start here.
        is_shown: bool `(packets,)`; those outside an edit list are decoded and not shown.
        marks_are_presentation_times: which of the two `marks` are.
    """

    marks: np.ndarray
    sizes: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray
    marks_are_presentation_times: bool

    @property
    def num_frames(self) -> int:
        return int(self.shown_before[-1])

    @cached_property
    def shown_before(self) -> np.ndarray:
        """int64 `(packets + 1,)`: how many shown packets come before each in decoding order."""
        return np.concatenate([[0], np.cumsum(self.is_shown)])

    @cached_property
    def presentation_order(self) -> np.ndarray:
        """int64 `(frames,)`: the place of each frame's packet; needs presentation times."""
        shown = np.flatnonzero(self.is_shown)
        return shown[np.argsort(self.marks[shown])]

    @cached_property
    def _by_mark(self) -> np.ndarray:
        return np.argsort(self.marks)

    @cached_property
    def _starts(self) -> tuple[np.ndarray, np.ndarray]:
        """The places of key packets, and the first frame that can be decoded from each."""
        keys = np.flatnonzero(self.is_key)
        first = self.shown_before[keys]
        if self.marks_are_presentation_times:
            # leading frames are stored after a key packet, shown before it, and may need what came earlier
            own = np.searchsorted(self.marks[self.presentation_order], self.marks[keys])
            clean = own >= first  # else frames from before it are shown after it
            keys, first = keys[clean], own[clean]
        return keys, first

    def start_for(self, frame: int, *, steps_back: int = 0) -> int | None:
        """The place of the last key packet from which `frame` can be decoded, or of an earlier one; None where
        there is none.

        Without presentation times, leading frames are not seen here: the caller finds them once it has read the
        packets, and steps back.
        """
        keys, first = self._starts
        chosen = int(np.searchsorted(first, frame, side="right")) - 1 - steps_back
        return int(keys[chosen]) if chosen >= 0 else None

    def place_of(self, packet: "av.Packet") -> int | None:
        """Where a packet stands; None for one that is not in the table."""
        mark = packet.pts if self.marks_are_presentation_times else packet.dts
        if mark is None:
            return None
        nearest = int(np.searchsorted(self.marks, mark, sorter=self._by_mark))
        place = int(self._by_mark[nearest]) if nearest < len(self.marks) else -1
        return place if place >= 0 and self.is_at(packet, place) else None

    def is_at(self, packet: "av.Packet", place: int) -> bool:
        """Whether a packet is the one that the table has at a place."""
        mark = packet.pts if self.marks_are_presentation_times else packet.dts
        return place < len(self.marks) and mark == self.marks[place] and packet.size == self.sizes[place]


def frame_index(
    source: VideoSource, container: "av.container.InputContainer", stream: "av.VideoStream"
) -> tuple[FrameIndex | None, bool]:
    """The table of a file, None where its packets do not say when they are shown; and whether the container was
    read to its end for it."""
    key = _identity(source, stream)
    if key is not None and key in _kept:
        _kept.move_to_end(key)
        return _kept[key], False
    index, was_read = _from_table(container, stream), False
    if index is None:
        index, was_read = index_from_packets(container.demux(stream)), True
    if key is not None and index is not None:
        _kept[key] = index
        while len(_kept) > _NUM_FILES_KEPT:
            _kept.popitem(last=False)
    return index, was_read


def has_or_keeps_table(source: VideoSource, container: "av.container.InputContainer", stream: "av.VideoStream") -> bool:
    """Whether the table can be had without reading the file through."""
    return _has_table(container, stream) or _identity(source, stream) in _kept


def forget_frame_indexes() -> None:
    """Drop all kept tables: for measurements, and where memory matters more."""
    _kept.clear()


def _identity(source: VideoSource, stream: "av.VideoStream") -> tuple | None:
    if isinstance(source, bytes | bytearray | memoryview):
        return None
    status = os.stat(source)
    return os.fspath(source), status.st_size, status.st_mtime_ns, stream.index


def _has_table(container: "av.container.InputContainer", stream: "av.VideoStream") -> bool:
    # a fragmented file has its packets' descriptions spread over it, and an edit list may repeat or drop some
    return "mp4" in container.format.name and 0 < stream.frames == len(stream.index_entries)


def _from_table(container: "av.container.InputContainer", stream: "av.VideoStream") -> FrameIndex | None:
    if not _has_table(container, stream):
        return None
    # flat runs of numbers: a hundred thousand tuples would keep Python's garbage collector busy
    entries = list(stream.index_entries)
    columns = (
        [e.timestamp for e in entries],
        [e.size for e in entries],
        [e.is_keyframe for e in entries],
        [not e.is_discard for e in entries],
    )
    table = np.array(columns, dtype=np.int64).T
    if (np.diff(table[:, 0]) <= 0).any():
        return None
    return FrameIndex(
        marks=table[:, 0],
        sizes=table[:, 1],
        is_key=table[:, 2].astype(bool),
        is_shown=table[:, 3].astype(bool),
        marks_are_presentation_times=False,
    )


def index_from_packets(packets: "Iterable[av.Packet]") -> FrameIndex | None:
    """The table made of all packets of a stream."""
    rows = []
    for packet in packets:
        if not packet.size:
            continue
        if packet.pts is None or packet.is_corrupt:
            return None
        rows.append((packet.pts, packet.size, packet.is_keyframe, not packet.is_discard))
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    if len(table) == 0 or len(np.unique(table[:, 0])) != len(table):
        return None
    return FrameIndex(
        marks=table[:, 0],
        sizes=table[:, 1],
        is_key=table[:, 2].astype(bool),
        is_shown=table[:, 3].astype(bool),
        marks_are_presentation_times=True,
    )
