"""A folder of videos that are measured as they are."""

import json
from pathlib import Path

from heygen_hf.evaluation import VideoFiles


def given_videos(folder: Path, *, num_videos: int | None) -> tuple[VideoFiles, list[str] | None]:
    """The videos of a folder (the first so many, by name) and, where `metadata.jsonl` has one of each, their prompts.

    Raises:
        ValueError: it holds no video, or fewer than asked for.
    """
    videos = VideoFiles(folder)
    if num_videos is not None:
        if num_videos > len(videos):
            raise ValueError(f"{folder} holds {len(videos)} videos, fewer than --num-videos {num_videos}; leave it out")
        videos = VideoFiles(videos.paths[:num_videos])
    texts = _texts(folder)
    names = [path.relative_to(folder).as_posix() for path in videos.paths]
    return videos, [texts[name] for name in names] if all(name in texts for name in names) else None


def _texts(folder: Path) -> dict[str, str]:
    """File name → prompt, of the rows that have one."""
    metadata = folder / "metadata.jsonl"
    found = {}
    lines = metadata.read_text(encoding="utf-8", errors="replace").splitlines() if metadata.is_file() else []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line) if line.strip() else {}
            name, text = row.get("file_name"), row.get("text")
        except (ValueError, AttributeError):
            print(f"warning: {metadata.name} line {number} cannot be read and is left out")
            continue
        if isinstance(name, str) and isinstance(text, str) and text.strip():
            found[name] = text
    return found
