"""Captions of a folder without a metadata file: text files beside the clips, two lists, or the folders' names."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from heygen_hf.data.report import name_some
from heygen_hf.data.sources.files import AUDIO_SUFFIXES, FolderFiles, is_clip, printable, suffix_of

CAPTION_LISTS = ("captions.txt", "prompts.txt")
VIDEO_LISTS = ("videos.txt",)
_QUIET_SUFFIXES = AUDIO_SUFFIXES | {"txt", "json", "jsonl", "csv", "md", "yaml", "yml"}


@dataclass
class CaptionedClips:
    """Clips that were found rather than listed, in the order of their names.

    Attributes:
        layout: how the captions were found.
        names: relative names of the clips.
        texts: their captions, "" where there are none.
        labels: of class folders: the name of the top folder; None otherwise.
        sounds: relative names of sound files beside the clips; None where no clip has one.
        notes: what is odd.
    """

    layout: str
    names: list[str]
    texts: list[str]
    labels: list[str] | None = None
    sounds: list[str | None] | None = None
    notes: list[str] = field(default_factory=list)


def find_captions(files: FolderFiles, *, wants_label: bool = False) -> CaptionedClips:
    """Find the clips of a folder and their captions.

    In this order: `captions.txt` (or `prompts.txt`) and `videos.txt`, a line for each clip; a `.txt` beside any
    clip; class folders, two or more, with all clips inside them (the caption is the folder's name with spaces for
    underscores); or no captions.

    Args:
        files: of the folder.
        wants_label: a single subfolder is a class, too.

    Raises:
        ValueError: the two lists differ in length, or are not UTF-8.
    """
    lists = [next((name for name in names if name in files.regular), None) for names in (CAPTION_LISTS, VIDEO_LISTS)]
    if lists[0] and lists[1]:
        return _from_lists(files, lists[0], lists[1])
    names = sorted(name for name in files.regular | files.special | files.links if is_clip(name))
    folders = {name.partition("/")[0] for name in names if "/" in name}
    all_in_folders = all("/" in name for name in names)
    is_classes = bool(names) and all_in_folders and len(folders) >= (1 if wants_label else 2)
    labels = [name.partition("/")[0] for name in names] if is_classes else None
    sounds = _sounds(files, names)
    if any(_sidecar(name) in files.regular for name in names):
        texts, notes = _read_sidecars(files, names)
        found = CaptionedClips("sidecar", names, texts, labels, sounds, notes)
    elif labels is not None:
        note = f"captions are the names of the {len(folders)} class folders: {name_some(sorted(folders))}"
        found = CaptionedClips("class folders", names, [label.replace("_", " ") for label in labels], labels, sounds)
        found.notes.append(note)
    else:
        found = CaptionedClips("plain", names, [""] * len(names), None, sounds)
        if folders:
            why = "there is one subfolder only" if all_in_folders else "some clips are in no subfolder"
            found.notes.append(
                f"the clips have no captions and their folders are not taken for classes, since {why}; "
                "captions go into metadata.jsonl or into a .txt beside each clip"
            )
    found.notes += _notes_on_files(files, names)
    return found


def _sidecar(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(".txt"))


def _sounds(files: FolderFiles, names: Sequence[str]) -> list[str | None] | None:
    by_stem: dict[str, str] = {}
    for name in sorted(files.regular):
        if suffix_of(name) in AUDIO_SUFFIXES:
            by_stem.setdefault(str(PurePosixPath(name).with_suffix("")), name)
    sounds = [by_stem.get(str(PurePosixPath(name).with_suffix(""))) for name in names] if by_stem else []
    return sounds if any(sounds) else None


def _read_sidecars(files: FolderFiles, names: Sequence[str]) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    problems: dict[str, list[str]] = {}
    for name in names:
        text = ""
        sidecar = _sidecar(name)
        if not files.is_readable_file(sidecar):
            problems.setdefault("have no .txt beside them; their captions are empty", []).append(name)
        else:
            try:
                contents = Path(files.root, sidecar).read_bytes()
                text = contents.decode("utf-8-sig", "replace").strip()
                contents.decode("utf-8")
            except UnicodeDecodeError:
                reason = "have captions that are not UTF-8; what is not is replaced by \ufffd"
                problems.setdefault(reason, []).append(name)
            except OSError as error:
                reason = f"have captions that cannot be read ({error.strerror}) and are empty"
                problems.setdefault(reason, []).append(name)
        texts.append(text)
    return texts, [f"{len(found)} clips {problem}: {name_some(found)}" for problem, found in problems.items()]


def _from_lists(files: FolderFiles, captions_name: str, videos_name: str) -> CaptionedClips:
    captions, videos = (_read_lines(Path(files.root, name)) for name in (captions_name, videos_name))
    if len(captions) != len(videos):
        raise ValueError(
            f"{files.root}/{captions_name} has {len(captions)} lines and {videos_name} {len(videos)}; expected one of "
            "each for every clip"
        )
    found = CaptionedClips("lists", videos, captions)
    found.notes.append(f"captions are the lines of {captions_name}, clips those of {videos_name}")
    return found


def _read_lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    lines = [line.strip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _notes_on_files(files: FolderFiles, names: Sequence[str]) -> list[str]:
    def note(found: list[str], problem: str) -> list[str]:
        return [f"{len(found)} {problem}: {name_some([printable(name) for name in sorted(found)])}"] if found else []

    used = set(names)
    other = [
        name
        for name in files.regular
        if name not in used and suffix_of(name) not in _QUIET_SUFFIXES and not PurePosixPath(name).name.startswith(".")
    ]
    unspeakable = [name for name in names if printable(name) != name]
    folder_links = [name for name in files.links if not is_clip(name)]
    return [
        *note(other, "files do not end like clips and are not used"),
        *note(unspeakable, "file names are not UTF-8 and their clips not used (rename them)"),
        *note(folder_links, "links are not followed"),
        *note(files.closed, "folders cannot be opened, so their clips are missing (check their permissions)"),
    ]
