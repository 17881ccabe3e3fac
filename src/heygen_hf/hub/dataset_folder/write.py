"""Writing a folder of captioned clips as a repository of the Hub: its clips unchanged, its captions as metadata."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heygen_hf.data.sources.folder import SPLIT_NAMES
from heygen_hf.hub.dataset_folder.columns import uniform_rows
from heygen_hf.hub.dataset_folder.inspection import ClipFacts, Files, inspect_clips
from heygen_hf.hub.dataset_folder.names import MAX_ENTRIES_PER_FOLDER, repository_names
from heygen_hf.hub.dataset_folder.splits import Row, Split
from heygen_hf.hub.dataset_folder.tars import write_tars

Layout = Literal["auto", "videofolder", "webdataset"]
MAX_FILES = 100_000  # of a repository, as the Hub recommends
# Loading asks for each file by itself, and the Hub answers some thousand requests in five minutes.
MAX_SEPARATE_FILES = 10_000
MARK = ".repository"


@dataclass(frozen=True)
class WrittenSplit:
    """One split as it is in the repository.

    Attributes:
        rows: `(SHA-256 of the clip, caption)` of each row in order, which is what loading must give.
        facts: of each clip, by its path in the source folder.
        skipped: `(file name, reason)` of every row that is left out.
    """

    name: str
    rows: list[tuple[str, str]]
    facts: dict[Path, ClipFacts]
    skipped: list[tuple[str, str]]


@dataclass(frozen=True)
class WrittenDataset:
    """What `write_dataset_folder` wrote.

    Attributes:
        files: path in the repository -> SHA-256 of the file that was decoded.
        columns: of the metadata, the caption first.
        notes: what was noticed, a line each.
    """

    path: Path
    layout: Literal["videofolder", "webdataset"]
    splits: list[WrittenSplit]
    files: dict[str, str]
    columns: list[str]
    notes: list[str]


def write_dataset_folder(
    splits: Sequence[Split],
    target: Path,
    *,
    caption_column: str = "text",
    layout: Layout = "auto",
    max_entries_per_folder: int = MAX_ENTRIES_PER_FOLDER,
    max_files: int = MAX_SEPARATE_FILES,
    max_shard_mebibytes: float = 1024.0,
    num_workers: int | None = None,
    progress: bool = True,
) -> WrittenDataset:
    """Decode every clip and write those that can be used.

    Args:
        splits: of `read_splits`; their files stay as they are. Where the disk allows it, the repository's files are
            the same files under another name (hard links), so that nothing is held twice.
        target: is replaced.
        layout: "videofolder" (files and `metadata.jsonl`), "webdataset" (tars of about `max_shard_mebibytes`), or
            "auto": files, as long as there are no more than `max_files` and the splits have names that tars can
            have.

    Raises:
        ValueError: no clip that can be used, `target` holds something else, or a column that cannot be.
    """
    if target.exists() and any(target.iterdir()) and not (target / MARK).is_file():
        raise ValueError(f"{target} holds other files; name an empty folder, or one that is not there.")
    inspected = [_inspect(split, num_workers=num_workers, progress=progress) for split in splits]
    kept = [rows for rows, _, _ in inspected]
    if not any(kept):
        first = next((f"{name}: {reason}" for _, _, skipped in inspected for name, reason in skipped), "no rows")
        raise ValueError(f"no clip can be used, so nothing is left to publish; the first: {first}")
    columns, notes = uniform_rows([[row.values for row in rows] for rows in kept], caption_column=caption_column)
    num_files = sum(len({path for row in rows for path in (row.video, row.sound) if path}) for rows in kept)
    chosen: Literal["videofolder", "webdataset"] = "webdataset" if layout == "webdataset" else "videofolder"
    if layout == "auto" and num_files > max_files and all(split.name in SPLIT_NAMES for split in splits):
        chosen = "webdataset"
        notes.append(f"{num_files:,} files are more than the Hub serves well one by one: the clips are in tars")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    (target / MARK).touch()  # a mark that this folder may be replaced; never pushed
    files: dict[str, str] = {}
    written = []
    for split, (rows, facts, skipped) in zip(splits, inspected, strict=True):
        if not rows:
            notes.append(f"{split.name} has no clip that can be used and is left out")
        elif chosen == "webdataset":
            write_tars(target, split.name, rows, caption_column=caption_column, max_mebibytes=max_shard_mebibytes)
        else:
            notes += [
                f"{split.name}: {note}"
                for note in _write_files(target, split, rows, facts, files, max_entries_per_folder)
            ]
        pairs = [(facts[row.video].sha256, row.values[caption_column]) for row in rows if row.video]
        written.append(WrittenSplit(split.name, pairs, facts, skipped))
    notes += [f"{split.name}: {note}" for split in splits for note in split.notes]
    notes += _copies([split for split in written if split.rows])
    return WrittenDataset(target, chosen, written, files, columns, notes)


def _inspect(
    split: Split, *, num_workers: int | None, progress: bool
) -> tuple[list[Row], dict[Path, ClipFacts], list[tuple[str, str]]]:
    """The rows that can be used, the facts of their clips, and what is left out."""
    files: list[Files] = list(dict.fromkeys((row.video, row.sound) for row in split.rows))
    found = dict(zip(files, inspect_clips(files, num_workers=num_workers, progress=progress), strict=True))
    facts: dict[Path, ClipFacts] = {}
    rows, skipped = [], []
    for row in split.rows:
        fate = found[row.video, row.sound]
        if isinstance(fate, ClipFacts):
            assert row.video is not None
            facts[row.video] = fate
            rows.append(row)
        else:
            skipped.append((row.name, fate))
    return rows, facts, skipped


def _write_files(
    target: Path,
    split: Split,
    rows: list[Row],
    facts: dict[Path, ClipFacts],
    files: dict[str, str],
    max_entries: int,
) -> list[str]:
    """Clips, sounds and `metadata.jsonl` of one split."""
    paths = list(dict.fromkeys(path for row in rows for path in (row.video, row.sound) if path))
    given = {path: _relative(path, split.folder) for path in paths}
    names, notes = repository_names([given[path] for path in paths], max_entries=max_entries)
    hashes = {row.video: facts[row.video].sha256 for row in rows if row.video}
    hashes |= {row.sound: facts[row.video].sound_sha256 or "" for row in rows if row.sound and row.video}
    for path in paths:
        place = target / split.name / names[given[path]]
        place.parent.mkdir(parents=True, exist_ok=True)
        _link(path, place)
        files[f"{split.name}/{names[given[path]]}"] = hashes[path]
    has_sounds = any(row.sound for row in rows)
    with (target / split.name / "metadata.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            assert row.video is not None
            line: dict[str, Any] = {"file_name": names[given[row.video]]}
            if has_sounds:
                line["audio_file_name"] = names[given[row.sound]] if row.sound else None
            file.write(json.dumps({**line, **row.values}, ensure_ascii=False) + "\n")
    return notes


def _relative(path: Path, folder: Path) -> str:
    """A link inside the folder may lead to another place in it."""
    root = Path(os.path.realpath(folder))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _link(path: Path, place: Path) -> None:
    real = os.path.realpath(path)
    try:
        os.link(real, place)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(real, place)


def _copies(splits: list[WrittenSplit]) -> list[str]:
    """Clips that are there more than once: twice says nothing new, and across splits it tells too much."""
    notes = []
    held = {split.name: [facts.sha256 for facts in split.facts.values()] for split in splits}
    for name, hashes in held.items():
        extra = sum(count - 1 for count in Counter(hashes).values())
        if extra:
            notes.append(f"{extra:,} clips of {name} are copies of others in it")
    names = list(held)
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            both = len(set(held[one]) & set(held[other]))
            if both:
                notes.append(f"{both:,} clips are in both {one} and {other}")
    return notes
