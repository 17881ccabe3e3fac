"""Is it still the same face? Each video against a real clip of every face, which is none of those it was made from."""

from collections.abc import Sequence
from typing import Any

import torch

from heygen_hf.data import VideoClipDataset
from heygen_hf.evaluation.talking_faces import match_identities
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.generation.given_files import whole_clip


def choose_references(identities: Sequence[str], rows: Sequence[int]) -> dict[str, int]:
    """Identity → the clip that stands for it: one that is not judged, or the first judged one where there is no other.

    Args:
        identities: of all clips.
        rows: those that are judged.
    """
    judged = set(rows)
    found: dict[str, int] = {}
    for row, identity in enumerate(identities):
        if row not in judged:
            found.setdefault(identity, row)
    wanted = list(dict.fromkeys(identities[row] for row in rows))
    first = {identities[row]: row for row in reversed(rows)}
    return {identity: found.get(identity, first[identity]) for identity in wanted}


def measure_identity(
    videos: dict[str, Sequence[torch.Tensor]],
    clips: VideoClipDataset,
    rows: Sequence[int],
    *,
    column: str,
    processor: VideoProcessor,
) -> dict[str, dict[str, Any]]:
    """For each kind of videos the share nearest to its own face; {} where no clip is left beside the references.

    Args:
        videos: kind → of each row `(frames, 3, height, width)`.
        rows: clips that the videos are made like; those that stand for a face are left out.
        column: the label column that says whose face it is.
    """
    identities = clips.labels[column]
    references = choose_references(identities, rows)
    scored = [i for i, row in enumerate(rows) if row not in references.values()]
    if not scored or len(references) < 2:
        print(f"no face can be matched: it takes two {column} values, and a clip beside the one that stands for it")
        return {}
    names = list(references)
    known = [whole_clip(clips.videos[references[name]], processor, from_start=True) for name in names]
    expected = [names.index(identities[rows[i]]) for i in scored]
    found = {}
    for kind, some in videos.items():
        matches = match_identities([some[i] for i in scored], known, expected)
        found[kind] = {
            "share": matches.share,
            "interval": [matches.low, matches.high],
            "count": len(matches.matched),
            "num_references": matches.num_references,
        }
    return found
