"""The gate of a data set: what its folder has to be like before it is pushed."""

import json
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import yaml
from huggingface_hub import DatasetCard

from heygen_hf.data.sources.files import AUDIO_SUFFIXES, VIDEO_SUFFIXES, suffix_of
from heygen_hf.hub.dataset_folder.card import FIGURES, split_key
from heygen_hf.hub.dataset_folder.names import MAX_ENTRIES_PER_FOLDER
from heygen_hf.hub.dataset_folder.privacy import tells_of_machine
from heygen_hf.hub.dataset_folder.write import MAX_FILES, WrittenDataset
from heygen_hf.hub.gate import Check, Manifest
from heygen_hf.hub.gate.files import MAX_FILE_BYTES

_TEXTS = {".md", ".json", ".jsonl", ".txt", ".cff", ""}


def check_dataset_folder(
    written: WrittenDataset,
    manifest: Manifest,
    *,
    max_bad_share: float = 0.1,
    max_file_bytes: int = MAX_FILE_BYTES,
    max_entries_per_folder: int = MAX_ENTRIES_PER_FOLDER,
    max_files: int = MAX_FILES,
    keep_places: bool = False,
) -> list[Check]:
    """All that can be checked without loading it elsewhere.

    Args:
        manifest: of the folder as it is now.
        max_bad_share: more rows than this share that cannot be used are a sign of something else that is wrong.
        keep_places: publish clips whose tags say where they were recorded.
    """
    return [
        Check("every clip decodes", _not_as_decoded(written, manifest)),
        Check("rows that cannot be used", _too_many_bad(written, max_bad_share)),
        Check("captions refer to files", _row_problem(written, manifest)),
        Check("file names", _name_problem(manifest)),
        Check("file sizes", _size_problem(written.path, manifest, max_file_bytes)),
        Check("number of files", _number_problem(manifest, max_entries_per_folder, max_files)),
        Check("kinds of files", _kind_problem(written.path, manifest)),
        Check("places of recording", None if keep_places else _place_problem(written)),
        Check("tags of clips", _tag_problem(written)),
        Check("nothing of this machine", _privacy_problem(written.path, manifest)),
        Check("card", _card_problem(written)),
    ]


def _not_as_decoded(written: WrittenDataset, manifest: Manifest) -> str | None:
    for name, expected in written.files.items():
        if name not in manifest.hashes:
            return f"{name} is gone since it was decoded"
        if manifest.hashes[name] != expected:
            return f"{name} was changed since it was decoded"
    return None


def _too_many_bad(written: WrittenDataset, most: float) -> str | None:
    bad = [(name, reason) for split in written.splits for name, reason in split.skipped]
    rows = sum(len(split.rows) for split in written.splits) + len(bad)
    if not bad or len(bad) / rows <= most:
        return None
    return (
        f"{len(bad)} of {rows} rows, the most is {most:.0%} (--max-bad-share); the first is {bad[0][0]!r}: {bad[0][1]}"
    )


def _row_problem(written: WrittenDataset, manifest: Manifest) -> str | None:
    if written.layout == "webdataset":
        return None  # the tars are read back by loading them
    for split in written.splits:
        path = written.path / split.name / "metadata.jsonl"
        if not split.rows:
            continue
        named = set()
        try:
            lines = path.read_text(encoding="utf-8").split("\n")[:-1]
            for number, line in enumerate(lines, 1):
                row = json.loads(line)
                for column in ("file_name", "audio_file_name"):
                    if row.get(column) is None and column != "file_name":
                        continue
                    name = row[column]
                    if name.startswith(("/", "\\")) or ".." in name.split("/") or "://" in name:
                        return f"{split.name}/metadata.jsonl line {number} leaves the folder: {name!r}"
                    if f"{split.name}/{name}" not in manifest.hashes:
                        return f"{split.name}/metadata.jsonl line {number} names {name!r}, which is not there"
                    named.add(f"{split.name}/{name}")
        except (OSError, ValueError, KeyError, AttributeError) as error:
            return f"{split.name}/metadata.jsonl cannot be read ({error})"
        if len(lines) != len(split.rows):
            return f"{split.name}/metadata.jsonl has {len(lines)} rows of {len(split.rows)}"
        there = {name for name in manifest.hashes if name.startswith(f"{split.name}/")}
        unnamed = sorted(there - named - {f"{split.name}/metadata.jsonl"})
        if unnamed:
            return f"{unnamed[0]} has no row in {split.name}/metadata.jsonl"
    return None


def _name_problem(manifest: Manifest) -> str | None:
    for name in manifest.hashes:
        if any(part in ("", ".", "..") or part.startswith(".") or "\\" in part for part in name.split("/")):
            return f"{name!r} is hidden, or no name on every system"
    twice = [name for name, count in Counter(name.casefold() for name in manifest.hashes).items() if count > 1]
    return f"two files are called {twice[0]!r} where systems take no note of case" if twice else None


def _size_problem(folder: Path, manifest: Manifest, most: int) -> str | None:
    for name in manifest.hashes:
        size = (folder / name).stat().st_size
        if size > most:
            return f"{name} has {size:,} bytes, the most is {most:,}: cut the recording into clips"
        if size == 0:
            return f"{name} is empty"
    return None


def _number_problem(manifest: Manifest, max_entries: int, max_files: int) -> str | None:
    if len(manifest.hashes) > max_files:
        return f"{len(manifest.hashes):,} files, the most is {max_files:,}: use --layout webdataset"
    entries: dict[str, set[str]] = {}
    for name in manifest.hashes:
        parts = name.split("/")
        for depth in range(len(parts)):
            entries.setdefault("/".join(parts[:depth]), set()).add(parts[depth])
    full = [(folder, held) for folder, held in entries.items() if len(held) > max_entries]
    return f"{full[0][0] or 'the top'} has {len(full[0][1]):,} entries, the most is {max_entries:,}" if full else None


def _kind_problem(folder: Path, manifest: Manifest) -> str | None:
    known = VIDEO_SUFFIXES | AUDIO_SUFFIXES | {"jsonl", "json", "md", "txt", "tar", "cff"}
    for name in manifest.hashes:
        if (folder / name).is_symlink():
            return f"{name} is a link"
        if suffix_of(name) not in known and Path(name).name.upper() not in ("LICENSE", "LICENCE", "NOTICE"):
            return f"{name} is neither a clip nor a text that belongs to a data set"
    return None


def _place_problem(written: WrittenDataset) -> str | None:
    found = [path.name for split in written.splits for path, facts in split.facts.items() if facts.tells_place]
    if not found:
        return None
    return (
        f"{len(found)} clips say where on Earth they were recorded, {found[0]!r} first: take the tags away (ffmpeg -i "
        "IN -map_metadata -1 -c copy OUT), or publish them with --keep-places"
    )


def _tag_problem(written: WrittenDataset) -> str | None:
    """The tag is named and its value is not: it may be a secret."""
    told = [(path.name, facts.telling_tag) for split in written.splits for path, facts in split.facts.items()]
    found = [each for each in told if each[1] is not None]
    if not found:
        return None
    return (
        f"{len(found)} clips have tags that name a place, a user or a secret of a machine, {found[0][1]!r} of "
        f"{found[0][0]!r} first: take the tags away (ffmpeg -i IN -map_metadata -1 -c copy OUT)"
    )


def _privacy_problem(folder: Path, manifest: Manifest) -> str | None:
    for name in manifest.hashes:
        path = folder / name
        if path.suffix not in _TEXTS:
            continue
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if tells_of_machine(line, is_data=path.suffix in (".jsonl", ".json")):
                    return (
                        f"{name} line {number} names a place, a user or a secret of a machine: change it, or leave its "
                        "column out with --leave-out"
                    )
    return None


def _card_problem(written: WrittenDataset) -> str | None:
    try:
        text = (written.path / "README.md").read_text(encoding="utf-8")
        data = DatasetCard(text, ignore_metadata_errors=False).data
        entries = {entry["split"] for entry in data["configs"][0]["data_files"]}
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        return f"README.md is not what the Hub takes ({' '.join(str(error).split())[:200]})"
    if not data.get("license"):
        return "README.md names no licence; what is unknown is called unknown"
    missing = {split_key(split.name) for split in written.splits if split.rows} ^ entries
    if missing:
        return f"README.md does not tell loaders of split {sorted(missing)[0]!r}"
    if not (written.path / FIGURES).is_file():
        return f"there is no {FIGURES}, which its figures are from"
    for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text):
        if "://" not in link and not (written.path / unquote(link)).is_file():
            return f"it shows {link}, which is not in the folder"
    return None
