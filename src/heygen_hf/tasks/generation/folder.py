"""A folder of generated videos: the files, and a `metadata.jsonl` that says how each was made."""

import json
import re
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data.table_lines import read_lines
from heygen_hf.data.video import VideoWriter
from heygen_hf.tasks.run_folder import remove_if_empty, write_text

_OURS = re.compile(r"\d{5,}\.mp4")


class GeneratedFolder:
    """Videos `00000.mp4`, `00001.mp4`, … with a row each in `metadata.jsonl`.

    Videos of an earlier run stay until new ones take their names, and those left over go when all are made: a run that
    fails costs none that it has not replaced. The rows are always those of the videos that are there.

    Args:
        folder: made when the first video is written.
        overwrite: whether videos may be there already.

    Raises:
        ValueError: they are, and may not; or the folder's `metadata.jsonl` is of other files.
    """

    def __init__(self, folder: str | Path, *, overwrite: bool = False) -> None:
        self.folder = Path(folder)
        self.files: list[Path] = []
        self._is_new = not self.folder.exists()
        self._metadata = self.folder / "metadata.jsonl"
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder} is a file; give another --output-dir.")
        held = [path.name for path in self.folder.glob("*.mp4") if _OURS.fullmatch(path.name)]
        if (held or self._metadata.exists()) and not overwrite:
            raise ValueError(f"{self.folder} already holds generated videos; use --overwrite or another --output-dir.")
        self._rows: dict[str, str] = {}
        self._earlier = self._read_rows()

    def _read_rows(self) -> dict[str, str]:
        """File name → row of the videos of an earlier run."""
        if not self._metadata.is_file():
            return {}
        found = {}
        for number, line in enumerate(read_lines(self._metadata), 1):
            try:
                name = str(json.loads(line)["file_name"]) if line.strip() else None
            except (ValueError, KeyError, TypeError):
                print(f"warning: {self._metadata} line {number} cannot be read and is left out")
                continue
            if name is not None and not _OURS.fullmatch(name):
                raise ValueError(f"{self._metadata} is of other files ({name}, …); give another --output-dir.")
            if name is not None:
                found[name] = line
        return found

    def writers(self, count: int, *, frame_rate: float, tracks: list[dict[str, Any]]) -> list[VideoWriter]:
        """Writers of the next `count` videos, `tracks[i]` the sound of each as `write_video` takes it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        start = len(self.files)
        return [
            VideoWriter(self.folder / f"{start + i:05d}.mp4", frame_rate=frame_rate, **tracks[i]) for i in range(count)
        ]

    def add(self, file: Path, row: dict[str, Any]) -> None:
        """Say how a video that is now there was made."""
        self.files.append(file)
        self._rows[file.name] = json.dumps({"file_name": file.name, **row}, ensure_ascii=False)
        self._earlier.pop(file.name, None)

    def remove_if_empty(self) -> None:
        """Take the folder away again where it was not there before and nothing was made."""
        if self._is_new:
            remove_if_empty(self.folder)

    def save(self, *, complete: bool = False) -> None:
        """Write `metadata.jsonl`; when all is made, remove what is left of an earlier run."""
        if complete:
            for name in self._earlier:
                (self.folder / name).unlink(missing_ok=True)
            self._earlier = {}
        lines = [*self._rows.values(), *self._earlier.values()]
        write_text(self._metadata, "".join(line + "\n" for line in lines))


def to_uint8(videos: torch.Tensor) -> torch.Tensor:
    """[0, 1] floats to 0..255, rounded."""
    return (videos.float() * 255).round().clamp(0, 255).to(torch.uint8)
