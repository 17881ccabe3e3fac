"""The control of talking faces: whose speech a mouth must not follow.

Speech of the same face, or with a recording in common, is no other speech: what a mouth then follows by right would
count as following anything.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from heygen_hf.data import VideoClipDataset
from heygen_hf.data.sources.columns import MissingColumnError
from heygen_hf.tasks.clip_data import DataSection
from heygen_hf.tasks.clip_data.prepare import open_splits

RECORDINGS = "recordings"
_MOST_PARTNERS = 20  # more change the mean over clips by nothing that matters


@dataclass(frozen=True)
class Partners:
    """With which others each clip is compared.

    Attributes:
        of_clip: for each clip the numbers of others; empty where there is none.
        kept_apart: what a clip and its partners have not in common, of "identity" and "recordings".
        note: what there is to say of it; None where faces and recordings are told apart.
    """

    of_clip: list[list[int]]
    kept_apart: tuple[str, ...]
    note: str | None


def choose_partners(
    num_clips: int, *, identities: Sequence[str] | None, recordings: Sequence[frozenset[str]] | None
) -> Partners:
    """Other clips for each, of another face and without a recording in common, evenly spread over those there are.

    Args:
        identities: of each clip; None where nothing says whose face it is.
        recordings: of each clip; None where nothing says what is heard.
    """
    known = {"identity": identities, RECORDINGS: recordings}
    apart = tuple(name for name, values in known.items() if values is not None)

    def is_other(i: int, j: int) -> bool:
        if identities is not None and identities[i] == identities[j]:
            return False
        return recordings is None or not recordings[i] & recordings[j]

    turns = [[(i + step) % num_clips for step in range(1, num_clips)] for i in range(num_clips)]
    missing = [name for name in known if name not in apart]
    note = f"other speech: nothing says the clips' {' or '.join(missing)}, so it may be the same" if missing else None
    found = [[j for j in others if is_other(i, j)] for i, others in enumerate(turns)]
    if not any(found):
        found, apart = turns, ()
        note = "other speech: no two clips differ in face and recordings, so both may be the same"
    return Partners([_spread(others) for others in found], apart, note)


def _spread(numbers: list[int]) -> list[int]:
    count = min(len(numbers), _MOST_PARTNERS)
    return [numbers[i * len(numbers) // count] for i in range(count)]


def recordings_of(clips: VideoClipDataset, rows: Sequence[int], section: DataSection) -> list[frozenset[str]] | None:
    """What is heard in some clips, where the data have a column `recordings`."""
    try:
        tables = open_splits(replace(section, label_columns=[RECORDINGS], missing_columns="error"), seed=0)
    except MissingColumnError:
        return None
    found: dict[tuple[str | None, str], frozenset[str]] = {}
    for table in tables.values():
        columns = table.select_columns(["video", "file_name", RECORDINGS]).with_format("arrow")[:]
        paths = columns["video"].combine_chunks().field("path").to_pylist()
        names, heard = columns["file_name"].to_pylist(), columns[RECORDINGS].to_pylist()
        for path, name, text in zip(paths, names, heard, strict=True):
            found[path, name] = found.get((path, name), frozenset()) | _names(text or "")
    return [found.get((clips.paths[row], clips.file_names[row]), frozenset()) for row in rows]


def _names(text: str) -> frozenset[str]:
    """A column of lists is opened as the text of each."""
    try:
        listed = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        listed = text
    return frozenset(map(str, listed)) if isinstance(listed, list | tuple) else frozenset([text] if text else [])
