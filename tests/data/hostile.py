"""Make a folder in which good clips lie among everything that can be wrong with a file or its row.

A handful of clips is written once; every file is derived from one of them, so that a thousand take seconds.
"""

import io
import json
import os
import random
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import av
import numpy as np

NUM_FRAMES, HEIGHT, WIDTH, FRAME_RATE = 12, 48, 64, 12

REASONS = {
    "truncated": r"truncated|not a readable video",
    "zero_bytes": r"empty \(zero bytes\)",
    "text": r"not a readable video",
    "audio_only": r"no video stream",
    "one_frame": r"too short: 1 frames",
    "huge_gif": r"not a readable video|cannot be read|memory|too large|pixels",
    "huge_raw": r"not a readable video|cannot be read|memory|too large|pixels|truncated|no frames",
    "huge_vp8": r"not a readable video|cannot be read|memory|too large|pixels|truncated|no frames|finish",
    "folder": r"folder, not a file",
    "unreadable": r"cannot be read|does not exist",
    "symlink_loop": r"cannot be read|symbolic links|leaves the data folder|does not exist",
    "fifo": r"not a regular file|cannot be read|pipe",
    "escape": r"leaves the data folder",
    "absolute": r"leaves the data folder",
    "escape_by_link": r"leaves the data folder",
    "missing": r"does not exist",
    "size_change": r"frame size changes",
    "zero_duration": r"no frames|no video stream|not a readable video",
    "picture_only": r"no video stream",
    "byte_flips": r".",
}
"""Every kind of hostile file, and what the reason why it is not used says."""

USABLE_WHEN_PADDED = frozenset(("one_frame",))
"""Refused under `pad_policy="drop"` only; any other policy makes a still picture of it, which the report counts."""

PERHAPS_USABLE = frozenset(("byte_flips",))
"""What flipped bytes hit is chance, and decoders conceal much: used, or named with a reason; never a crash."""

_GOOD_NAMES = (
    "with spaces  twice.mp4",
    'it\'s "quoted".mp4',
    "two\nlines.mp4",
    "видео.mp4",
    "動画🎬.mp4",
    "ünïcode/ñandú.mp4",
    "percent%20#?&=.mp4",
    "-rf.mp4",
    "file:colon.mp4",
    "LOUD.MP4",
    "really_an_mp4.avi",
    "really_an_mp4.webm",
    "pattern%03d.mp4",
    "[brackets]*{1,2}.mp4",
    " leading and trailing .mp4",
    "concat:a|b.mp4",
)
"""Names that must not lose a clip: FFmpeg takes some of them for protocols or patterns, shells for more."""


@dataclass
class HostileFolder:
    """What was made.

    Attributes:
        rows: of the metadata, in its order.
        good: names of the rows that must be used.
        hostile: the kind of every other row, by name.
    """

    folder: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    good: list[str] = field(default_factory=list)
    hostile: dict[str, str] = field(default_factory=dict)


def make_hostile_folder(folder: Path, *, num_good: int, num_hostile: int, seed: int) -> HostileFolder:
    """Write the folder with its `metadata.jsonl`; the same seed gives the same folder."""
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    made = HostileFolder(folder)
    clips = [_clip(seed=seed * 100 + number) for number in range(4)]
    makers = _makers(clips, draw, folder)

    for number in range(num_good):
        name = _GOOD_NAMES[number] if number < len(_GOOD_NAMES) else f"good/{number:05d}.mp4"
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_different(draw.choice(clips), number))
        made.good.append(name)
    if num_good:
        (folder / "link.mp4").symlink_to(folder / made.good[-1])  # a link inside the folder is as good as its file
        made.good.append("link.mp4")
        (folder / "link to all").symlink_to(folder)  # following it would never end
        (folder / "no row.mp4").write_bytes(_different(clips[0], num_good))
    (folder / "bad").mkdir()
    for number, kind in zip(range(num_hostile), cycle(REASONS), strict=False):
        name = makers[kind](f"bad/{number:05d} {kind}", number)
        made.hostile[name] = kind

    names = [*made.good, *made.hostile]
    draw.shuffle(names)
    made.rows = [{"file_name": name, "text": f"caption number {number}"} for number, name in enumerate(names)]
    text = "".join(json.dumps(row) + "\n" for row in made.rows)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
    return made


def _makers(clips: list[bytes], draw: random.Random, folder: Path) -> dict[str, Callable[[str, int], str]]:
    """For each kind a function of (name without suffix, number) that makes the file and gives the name of its row."""
    contents: dict[str, tuple[str, Callable[[], bytes]]] = {
        "truncated": ("mp4", lambda: _cut(draw.choice(clips), draw.uniform(0.03, 0.97))),
        "zero_bytes": ("mp4", lambda: b""),
        "text": ("mp4", lambda: f"This is no video but a text, {draw.random()}.\n".encode() * 30),
        "audio_only": ("mp4", lambda: sound),
        "one_frame": ("mp4", lambda: still),
        "huge_gif": ("gif", lambda: huge_gif),
        "huge_raw": ("mov", lambda: huge_raw),
        "huge_vp8": ("webm", lambda: huge_vp8),
        "size_change": ("ts", lambda: changing),
        "zero_duration": ("mp4", lambda: without_packets),
        "picture_only": ("mp4", lambda: cover),
        "byte_flips": ("mp4", lambda: _flipped(draw.choice(clips), draw)),
    }
    sound, still, cover = _sound("mp4", "aac"), _clip(seed=1, num_frames=1), _cover()
    huge_gif, huge_raw, huge_vp8 = _huge_gif(), _huge_raw(), _huge_vp8()
    changing = _clip(seed=2, suffix="ts") + _clip(seed=3, suffix="ts", height=32, width=32)
    without_packets = _without_packets(clips[0])

    def write(kind: str) -> Callable[[str, int], str]:
        suffix, content = contents[kind]

        def make(stem: str, number: int) -> str:
            data = content()
            # two equal files would be decoded once; a few bytes behind the end change nothing else
            same = data in (sound, still, without_packets)
            (folder / f"{stem}.{suffix}").write_bytes(_different(data, number) if same else data)
            return f"{stem}.{suffix}"

        return make

    def make_folder(stem: str, _: int) -> str:
        (folder / f"{stem}.mp4").mkdir()
        return f"{stem}.mp4"

    def make_unreadable(stem: str, number: int) -> str:
        path = folder / f"{stem}.mp4"
        if os.geteuid() == 0:  # who may read everything
            path.symlink_to(folder / "gone with the wind.mp4")
        else:
            path.write_bytes(_different(clips[0], number))
            path.chmod(0)
        return f"{stem}.mp4"

    def make_loop(stem: str, _: int) -> str:
        (folder / f"{stem}.mp4").symlink_to(folder / f"{stem}.other.mp4")
        (folder / f"{stem}.other.mp4").symlink_to(folder / f"{stem}.mp4")
        return f"{stem}.mp4"

    def make_fifo(stem: str, _: int) -> str:
        os.mkfifo(folder / f"{stem}.mp4")
        return f"{stem}.mp4"

    def link_outside(stem: str, _: int) -> str:
        (folder / f"{stem}.mp4").symlink_to("/etc/passwd")
        return f"{stem}.mp4"

    return {kind: write(kind) for kind in contents} | {
        "folder": make_folder,
        "unreadable": make_unreadable,
        "symlink_loop": make_loop,
        "fifo": make_fifo,
        "escape": lambda _, number: f"../../{'../' * (number // len(REASONS))}etc/passwd",
        "absolute": lambda _, number: f"/etc/{'./' * (number // len(REASONS))}passwd",
        "escape_by_link": link_outside,
        "missing": lambda stem, _: f"{stem}.mp4",
    }


def _pictures(seed: int, num_frames: int, height: int, width: int) -> Iterator[np.ndarray]:
    """A bright square that moves over a coloured ground."""
    generator = np.random.default_rng(seed)
    ground, square = generator.integers(0, 256, (2, 3), dtype=np.uint8)
    for number in range(num_frames):
        pixels = np.full((height, width, 3), ground, dtype=np.uint8)
        left = number * 3 % (width - 10)
        pixels[10:20, left : left + 10] = square
        yield pixels


def _clip(
    *,
    seed: int,
    suffix: str = "mp4",
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    num_frames: int = NUM_FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> bytes:
    # the header goes first, so that a truncated file still opens; FFmpeg needs a real file for that
    options = {"movflags": "+faststart"} if suffix == "mp4" else {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clip.{suffix}"
        with av.open(str(path), "w", options=options) as container:
            stream = container.add_stream(codec, rate=FRAME_RATE)
            stream.height, stream.width, stream.pix_fmt = height, width, pixel_format
            stream.codec_context.thread_count = 1
            for pixels in _pictures(seed, num_frames, height, width):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path.read_bytes()


def _sound(suffix: str, codec: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=suffix) as container:
        stream = container.add_stream(codec, rate=44100, layout="mono")
        for start in range(0, 44100, 1024):
            wave = np.sin(np.arange(start, start + 1024) / 20)[None].astype(np.float32) * 0.3
            frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, start, Fraction(1, 44100)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return file.getvalue()


def _different(mp4: bytes, number: int) -> bytes:
    """The same clip in other bytes: with an empty box, which players skip, that holds a number."""
    return mp4 + struct.pack(">I4sQ", 16, b"free", number)


def _cut(data: bytes, share: float) -> bytes:
    return data[: int(len(data) * share)]


def _flipped(data: bytes, draw: random.Random) -> bytes:
    flipped = bytearray(data)
    for _ in range(40):
        flipped[draw.randrange(len(data) // 3, len(data) * 2 // 3)] ^= 1 << draw.randrange(8)
    return bytes(flipped)


def _cover() -> bytes:
    """A song with a picture on its cover, which FFmpeg shows as a video stream of one frame."""
    picture = av.VideoFrame.from_ndarray(next(_pictures(0, 1, 32, 32)), format="rgb24")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 32, 32, "rgb24", Fraction(1, 1)
    png = b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])
    frame = b"\x00image/png\x00\x03\x00" + png
    tag = b"APIC" + struct.pack(">I", len(frame)) + b"\x00\x00" + frame
    seven_bits = bytes((len(tag) >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\x00\x00" + seven_bits + tag + _sound("mp3", "libmp3lame")


def _without_packets(mp4: bytes) -> bytes:
    """A clip of no duration: its header, and not one frame."""
    file = io.BytesIO()
    with av.open(io.BytesIO(mp4)) as source, av.open(file, "w", format="mp4") as container:
        container.add_stream_from_template(source.streams.video[0])
        container.start_encoding()
    return file.getvalue()


def _huge_gif() -> bytes:
    """The screen says 65535 x 65535, its pictures are small."""
    data = bytearray(_clip(seed=4, suffix="gif", codec="gif", pixel_format="rgb8"))
    data[6:10] = struct.pack("<HH", 65535, 65535)
    return bytes(data)


def _huge_raw() -> bytes:
    """Uncompressed video whose only word on its size, in the header of an .mov, is 30000 x 30000."""
    data = bytearray(_clip(seed=5, suffix="mov", codec="rawvideo", pixel_format="rgb24"))
    return bytes(data).replace(struct.pack(">HH", WIDTH, HEIGHT), struct.pack(">HH", 30000, 30000))


def _huge_vp8() -> bytes:
    """Every key frame says 16000 x 16000, so that a decoder asks for half a gigabyte per frame before it finds out."""
    data = _clip(seed=6, suffix="webm", codec="libvpx")
    return data.replace(
        b"\x9d\x01\x2a" + struct.pack("<HH", WIDTH, HEIGHT), b"\x9d\x01\x2a" + struct.pack("<HH", 16000, 16000)
    )
