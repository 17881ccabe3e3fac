"""The least that is asked of a data set of clips, to show its clips in another form."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from heygen_hf.data.cache.content_hash import hash_videos

Item = dict[str, Any]


class ClipSource(Protocol):
    """What `EncodedClips` needs of a data set of clips, such as `VideoClipDataset`.

    `fetch` may also take `seeds`, one for each item, which then decide the frames and the crop in place of (seed,
    epoch, index): variants need it. Where it has `processor_of(index)`, each clip may have a size of its own.
    """

    file_names: Sequence[str]
    texts: Sequence[str]
    labels: Mapping[str, Sequence[str]]

    @property
    def paths(self) -> Sequence[str | None]: ...

    def __len__(self) -> int: ...

    def fetch(self, indices: Sequence[int], *, epoch: int) -> list[Item]: ...


def hash_contents(clips: ClipSource, known: Sequence[bytes] | None = None) -> list[bytes]:
    """The content hash of each clip, which its encodings are known by.

    Args:
        known: the hashes, where they are known already; None reads the files.

    Raises:
        ValueError: a file cannot be read, or `known` has another length.
    """
    videos = getattr(clips, "videos", clips.paths)  # where some are embedded, they have no path
    found: Sequence[bytes | str] = hash_videos(videos) if known is None else known
    if len(found) != len(clips):
        raise ValueError(f"content_hashes has {len(found)} entries for {len(clips)} clips; expected one each")
    problems = [
        f"{name!r}: {content}"
        for name, content in zip(clips.file_names, found, strict=True)
        if isinstance(content, str)
    ]
    if problems:
        raise ValueError(f"{len(problems)} clips cannot be read ({'; '.join(problems[:3])}); prepare them anew")
    return [content for content in found if isinstance(content, bytes)]
