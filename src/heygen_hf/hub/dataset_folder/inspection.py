"""Every clip decoded from its first frame to its last, its sound too."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.video import BadVideoError
from heygen_hf.hub.dataset_folder.privacy import tells_of_machine

_PLACE = re.compile(r"(?i)location|gps|iso6709")


@dataclass(frozen=True)
class ClipFacts:
    """What decoding a whole clip showed.

    Attributes:
        sha256: of its file.
        sound_sha256: of the file with its sound, where it has one.
        has_sound: a track in the file, or a file beside it.
        tells_place: its tags say where on Earth it was recorded, as telephones write them.
        telling_tag: the name of a tag that names a place, a user or a secret of a machine.
    """

    sha256: str
    num_bytes: int
    num_frames: int
    frame_rate: float
    height: int
    width: int
    duration_seconds: float
    codec: str
    has_sound: bool
    sound_sha256: str | None = None
    tells_place: bool = False
    telling_tag: str | None = None


Files = tuple[Path | None, Path | None]
"""A clip, and the sound beside it."""


def inspect_clips(
    files: Sequence[Files],
    *,
    num_workers: int | None = None,
    time_limit_seconds: float = 600.0,
    progress: bool = True,
) -> Iterator[ClipFacts | str]:
    """Decode clips in processes that may break; of one that cannot be used, the reason."""
    return map_in_workers(
        inspect_clip,
        files,
        description="Decoding every clip",
        num_workers=num_workers,
        time_limit_seconds=time_limit_seconds,
        on_failure=lambda _, reason: reason,
        progress=progress,
    )


def inspect_clip(files: Files) -> ClipFacts | str:
    """One clip, and the sound file beside it; of one that cannot be used, the reason."""
    video, sound = files
    if video is None:
        return "its path leaves the folder, or names no file"
    try:
        facts = _decode(video)
        if sound is None:
            return facts
        try:
            sound_tags = _decode_sound_file(sound)
        except BadVideoError as error:
            return f"its sound {sound.name}: {error}"
        num_bytes = facts.num_bytes + sound.stat().st_size
        changed = {"num_bytes": num_bytes, "has_sound": True, "sound_sha256": _hash(sound)}
        changed |= {
            "tells_place": facts.tells_place or _tells_place(sound_tags),
            "telling_tag": facts.telling_tag or _telling_tag(sound_tags),
        }
        return ClipFacts(**{**facts.__dict__, **changed})
    except OSError as error:  # with the path in its text
        return f"cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, MemoryError) as error:
        return str(error) or type(error).__name__


def _decode(path: Path) -> ClipFacts:
    from heygen_hf.data.video import probe_video
    from heygen_hf.data.video.source import intact_packets, opened

    about = probe_video(path)
    sizes = set()
    num_frames = 0
    with opened(path) as (container, stream):
        for packet in intact_packets(container, stream):
            for frame in packet.decode():
                num_frames += 1
                sizes.add((frame.width, frame.height))
        tags = _tags(container)
    if not num_frames:
        raise BadVideoError("its video stream has no frames")
    if len(sizes) > 1:
        raise BadVideoError(f"its frame size changes between {' and '.join(f'{w}x{h}' for w, h in sorted(sizes))}")
    if about.has_audio:
        _decode_track(path)
    return ClipFacts(
        sha256=_hash(path),
        num_bytes=path.stat().st_size,
        num_frames=num_frames,
        frame_rate=round(about.frame_rate, 3),
        height=about.height,
        width=about.width,
        duration_seconds=about.duration_seconds,
        codec=about.codec,
        has_sound=about.has_audio,
        tells_place=_tells_place(tags),
        telling_tag=_telling_tag(tags),
    )


def _tags(container: Any) -> list[tuple[str, str]]:
    held: list[Mapping[str, str]] = [container.metadata, *(stream.metadata for stream in container.streams)]
    return [(str(name), str(value)) for tags in held for name, value in tags.items()]


def _tells_place(tags: Sequence[tuple[str, str]]) -> bool:
    return any(_PLACE.search(name) for name, _ in tags)


def _telling_tag(tags: Sequence[tuple[str, str]]) -> str | None:
    """As JSON a value that is nothing but a path is seen, too."""
    return next((name for name, value in tags if any(map(_tells, (value, json.dumps(value))))), None)


def _tells(text: str) -> bool:
    return tells_of_machine(text, is_data=True)


def _decode_track(path: Path) -> None:
    from heygen_hf.data.video.source import opened

    with opened(path) as (container, _):
        track = container.streams.best("audio")
        if track is None or track.codec_context is None:
            raise BadVideoError("its audio codec is unknown to this build of FFmpeg")
        for packet in container.demux(track):
            packet.decode()


def _decode_sound_file(path: Path) -> list[tuple[str, str]]:
    """Its tags."""
    import av

    if not path.is_file():
        raise BadVideoError("the file does not exist")
    try:
        with av.open(os.path.abspath(path), mode="r") as container:
            if not container.streams.audio:
                raise BadVideoError("it has no sound")
            for packet in container.demux(container.streams.audio[0]):
                packet.decode()
            return _tags(container)
    except (av.error.FFmpegError, OSError) as error:
        raise BadVideoError(f"not a readable recording, or truncated ({error.strerror or error})") from None


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
