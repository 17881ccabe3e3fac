"""Find the clips of a tar and the captions that belong to them."""

import json
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.columns import ColumnChoice, to_strings, to_text
from heygen_hf.data.sources.files import AUDIO_SUFFIXES, is_clip, suffix_of
from heygen_hf.data.sources.webdataset import TarShard, open_file, size_of, stamp_of

MAX_TEXT_BYTES = 2**20
_MEDIA = AUDIO_SUFFIXES | {"jpg", "jpeg", "png", "webp", "npy", "npz", "pt", "pth", "safetensors"}
_ALIASES = {"text": ("text", "txt", "caption.txt"), "label": ("label", "cls")}


@dataclass
class _Sample:
    """What a tar holds under one key."""

    videos: list[tuple[str, int, int]] = field(default_factory=list)
    sounds: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)


@dataclass
class TarContents:
    """The samples of a tar, in order, and what is odd."""

    samples: dict[str, list[_Sample]] = field(default_factory=dict)
    damaged_at: int | None = None
    passed_over: list[str] = field(default_factory=list)


def list_tar(path: str) -> TarContents:
    """Read the headers of a tar, and the small texts; the clips are passed over.

    A tar that ends early, or is damaged, gives what lies before the damage.

    Raises:
        ValueError: it is not a tar, or cannot be opened.
    """
    contents = TarContents()
    order: dict[str, list[_Sample]] = contents.samples
    try:
        size = size_of(path)
        with open_file(path) as file:
            for member in _members(path, file, contents):
                if not member.isreg() or member.issparse():
                    if is_clip(member.name):
                        contents.passed_over.append(member.name)
                    continue
                if member.offset_data + member.size > size:
                    contents.damaged_at = member.offset_data
                    break
                _take(order, member, file)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}); check that it is there") from None
    return contents


def _members(path: str, file: Any, contents: TarContents) -> Iterator[tarfile.TarInfo]:
    try:
        tar = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (the file is the caller's)
    except tarfile.TarError as error:
        raise ValueError(f"{path} is not a tar that can be read ({error}); write or download it again") from None
    while True:
        try:
            member = tar.next()
        except (tarfile.TarError, ValueError):
            contents.damaged_at = int(tar.offset)
            return
        if member is None:
            break
        yield member
        tar.members = []  # type: ignore[attr-defined]  # it would keep every header
    file.seek(tar.offset)
    if any(file.read(512)):  # tarfile takes a header that makes no sense for the end
        contents.damaged_at = int(tar.offset)


def _take(order: dict[str, list[_Sample]], member: tarfile.TarInfo, file: Any) -> None:
    """Put a member into the sample of its key; a name that comes again begins another sample."""
    name, suffix = member.name, suffix_of(member.name)
    key = str(PurePosixPath(name).with_suffix("")) if suffix else name
    samples = order.setdefault(key, [])
    if not samples or name in samples[-1].names:
        samples.append(_Sample())
    sample = samples[-1]
    sample.names.add(name)
    if is_clip(name):
        sample.videos.append((name, member.offset_data, member.size))
    elif suffix in AUDIO_SUFFIXES:
        sample.sounds[suffix] = (name, member.offset_data, member.size)
    elif suffix and suffix not in _MEDIA and member.size <= MAX_TEXT_BYTES:
        position = file.tell()
        file.seek(member.offset_data)
        sample.texts[suffix] = file.read(member.size)
        file.seek(position)


@dataclass
class _Rows:
    """Columns of a tar under construction."""

    file_names: list[str] = field(default_factory=list)
    strings: dict[str, list[str]] = field(default_factory=dict)
    videos: list[tuple[int, int]] = field(default_factory=list)
    sounds: list[tuple[str, int, int] | None] = field(default_factory=list)
    problems: dict[str, list[str]] = field(default_factory=dict)
    available: dict[str, None] = field(default_factory=dict)
    found: set[str] = field(default_factory=set)


def open_tar_shards(
    paths: Sequence[str], names: Sequence[str], choice: ColumnChoice
) -> tuple[list[TarShard], list[str]]:
    """The shards of some tars, and notes.

    A clip's caption is in the `.txt` of its name, or under `caption_column` in the `.json`; any other column is the
    member with that ending, or a key of the `.json` (`label` may also be `.cls`).

    Raises:
        ValueError: a file is no tar, or no clip has a wanted column.
    """
    shards, notes, available = [], list[str](), dict[str, None]()
    found: set[str] = set()
    problems: dict[str, list[str]] = {}
    wanted = {"text": choice.caption_column, **{name: name for name in choice.label_columns}}
    for path, name in zip(paths, names, strict=True):
        contents = list_tar(path)
        rows = _make_rows(contents, name, wanted, choice)
        if contents.damaged_at is not None:
            notes.append(
                f"{name} is damaged or cut off at byte {contents.damaged_at}; the {len(rows.videos)} clips before that "
                "are used (write or download it again)"
            )
        if contents.passed_over:
            notes.append(
                f"{len(contents.passed_over)} links in {name} are not clips: {name_some(contents.passed_over)}"
            )
        if not rows.videos:
            notes.append(f"{name} holds no clips")
        available.update(rows.available)
        found |= rows.found
        for problem, some in rows.problems.items():
            problems.setdefault(problem, []).extend(some)
        shards.append(_make_shard(path, name, rows))
    if not any(shard.num_rows for shard in shards):
        raise ValueError(f"{', '.join(names[:3])} hold no clips; expected members such as 000.mp4 and 000.txt")
    # nothing to read captions from at all is a set without captions, as a plain folder is
    missing = [key for key, column in wanted.items() if column is not None and key not in found]
    if missing == ["text"] and choice.caption_column == "text" and not available:
        notes.append("the tars have no captions: all of their clips have an empty text")
        problems = {}
    elif missing:
        choice.check([name for name in available if name not in missing or name in found], where=", ".join(names[:3]))
    notes += [f"{len(some)} clips {problem}: {name_some(some)}" for problem, some in problems.items()]
    return shards, notes


def _make_rows(contents: TarContents, name: str, wanted: dict[str, str | None], choice: ColumnChoice) -> _Rows:
    rows = _Rows(strings={key: [] for key in wanted})
    for key, samples in contents.samples.items():
        for sample in samples:
            for video, offset, size in sample.videos:
                file_name = f"{name}/{video}"
                rows.file_names.append(file_name)
                rows.videos.append((offset, size))
                companion = sample if sample.texts else _whole_sample(contents, key) or sample
                for column, asked in wanted.items():
                    rows.strings[column].append(
                        "" if asked is None else _find(rows, companion, asked, column, file_name)
                    )
                rows.available.update(dict.fromkeys(companion.texts))
                rows.sounds.append(_sound(sample, companion, choice.audio_column))
    return rows


def _whole_sample(contents: TarContents, key: str) -> _Sample | None:
    """WebDataset's own rule: the key ends at the first dot, so that 1.left.mp4 belongs to 1.txt."""
    path = PurePosixPath(key)
    short = str(path.with_name(path.name.partition(".")[0] or path.name))
    samples = contents.samples.get(short) if short != key else None
    return samples[0] if samples else None


def _find(rows: _Rows, sample: _Sample, asked: str, column: str, file_name: str) -> str:
    value: Any = None
    for ending in _ALIASES.get(asked, (asked,)):
        if ending in sample.texts:
            value = sample.texts[ending]
            break
    if value is None and "json" in sample.texts:
        try:
            held = json.loads(sample.texts["json"])
        except (ValueError, RecursionError):
            rows.problems.setdefault("have a .json that cannot be read", []).append(file_name)
            held = None
        if isinstance(held, dict):
            rows.available.update(dict.fromkeys(held))
            value = held.get(asked)
    if value is None:
        rows.problems.setdefault(f"have no {asked!r}; it is empty for them", []).append(file_name)
        return ""
    rows.found.add(column)
    if not isinstance(value, bytes):
        return to_text(value)
    try:
        return value.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        problem = "have captions that are not UTF-8; what is not is replaced by \ufffd"
        rows.problems.setdefault(problem, []).append(file_name)
        return value.decode("utf-8-sig", "replace").strip()


def _sound(sample: _Sample, companion: _Sample, asked: str | None) -> tuple[str, int, int] | None:
    for held in (sample, companion):
        for suffix, sound in held.sounds.items():
            if asked is None or asked in (suffix, "audio"):
                return sound
    return None


def _make_shard(path: str, name: str, rows: _Rows) -> TarShard:
    import pyarrow as pa

    columns = {column: to_strings(values)[0] for column, values in rows.strings.items()}
    columns["file_name"] = to_strings(rows.file_names)[0]
    has_sound = any(rows.sounds)
    places = [(sound[1], sound[2]) if sound else (-1, 0) for sound in rows.sounds]
    return TarShard(
        path=path,
        name=name,
        strings=pa.table(columns),
        video_places=np.array(rows.videos, dtype=np.int64).reshape(-1, 2),
        audio_places=np.array(places, dtype=np.int64).reshape(-1, 2) if has_sound else None,
        stamp=stamp_of(path),
        audio_names=tuple(f"{name}/{sound[0]}" if sound else None for sound in rows.sounds) if has_sound else None,
    )
