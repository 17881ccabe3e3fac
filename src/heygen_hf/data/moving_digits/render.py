"""Write the moving digits as a folder of ordinary clips with captions, the layout of a user's own folder."""

import json
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from heygen_hf.data.moving_digits.card import folder_readme
from heygen_hf.data.moving_digits.clips import MOTIONS, SPLITS, ClipPlan, Motion, draw_clip, plan_split
from heygen_hf.data.moving_digits.scans import load_scans, split_scans
from heygen_hf.data.moving_digits.vocabulary import Triple, choose_unseen_triples
from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.rendered_folder import render_whole
from heygen_hf.data.video.encode import write_video

_FORMAT_VERSION = 1  # raise it when the same options give other clips
_UNSEEN_FILE = "unseen_triples.json"


@dataclass(frozen=True)
class _Options:
    num_train: int
    num_validation: int
    num_test: int
    image_size: int
    num_frames: int
    frame_rate: float
    digit_size: int
    seed: int
    motion: Motion = "linear"
    format_version: int = _FORMAT_VERSION

    def __post_init__(self) -> None:
        for name in ("num_train", "num_validation", "num_test", "image_size", "num_frames", "digit_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if not self.frame_rate > 0:
            raise ValueError(f"frame_rate is {self.frame_rate}; expected frames per second above 0")
        if self.motion not in MOTIONS:
            raise ValueError(f"motion is {self.motion!r}; expected {' or '.join(map(repr, MOTIONS))}")

    @property
    def num_clips(self) -> dict[str, int]:
        return {"train": self.num_train, "validation": self.num_validation, "test": self.num_test}

    def written(self) -> dict[str, Any]:
        """As in the folder: a linear motion goes unsaid, as when there was no other, so that old sets stay valid."""
        options = asdict(self)
        if self.motion == "linear":
            del options["motion"]
        return options


def render_moving_digits(
    output_dir: str | os.PathLike,
    *,
    num_train: int = 12_288,
    num_validation: int = 960,
    num_test: int = 2_400,
    image_size: int = 32,
    num_frames: int = 8,
    frame_rate: float = 8,
    digit_size: int = 22,
    motion: Motion = "linear",
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
    num_workers: int | None = None,
) -> Path:
    """Render real handwritten digits as coloured digits that move, one to a clip, on black.

    `output_dir` gets `train/`, `validation/` and `test/` with their `.mp4` files (lossless H.264) and
    `metadata.jsonl`, and `unseen_triples.json`, `README.md` and `rendering.json` (the options). It appears
    whole or not at all. The same options give the same bytes. A folder that holds a finished set with the
    same options is left as it is.

    Args:
        output_dir: created, its parents too.
        num_train, num_validation, num_test: clips of each split. Validation and test show all 240 triples
            equally often, training the 216 that are not held out.
        image_size: height and width of the frames in pixels.
        num_frames: frames of each clip.
        frame_rate: frames per second.
        digit_size: height and width of the digits in pixels.
        motion: "linear" stays inside for the whole clip; "bounce" is reflected by the borders, so that clips may be
            of any length, and the direction named is the first.
        seed: decides scans, places, speeds, and which triples are unseen.
        overwrite: replace a set with other options. Never replaces a folder that holds something else.
        progress: show a progress bar and say when a set is reused.
        num_workers: processes; None for one per core.

    Returns:
        `output_dir`.

    Raises:
        ValueError: the digits cannot move that far inside the frame, or the folder holds something else.
    """
    options = _Options(
        num_train, num_validation, num_test, image_size, num_frames, float(frame_rate), digit_size, seed, motion
    )
    write = partial(_write_all, options=options, plans=_plan_all(options), progress=progress, num_workers=num_workers)
    return render_whole(
        output_dir,
        write,
        name="moving digits",
        options=options.written(),
        num_clips=options.num_clips,
        overwrite=overwrite,
        progress=progress,
    )


def read_unseen_triples(folder: str | os.PathLike) -> list[Triple]:
    """The triples that no training clip of a rendered folder shows."""
    rows = json.loads((Path(folder) / _UNSEEN_FILE).read_text(encoding="utf-8"))
    return [Triple(**row) for row in rows]


def _plan_all(options: _Options) -> dict[str, list[ClipPlan]]:
    from sklearn.datasets import load_digits

    scans = split_scans(load_digits().target, seed=options.seed)
    return {
        split: plan_split(
            split,
            num_clips=options.num_clips[split],
            scans=scans[split],
            image_size=options.image_size,
            digit_size=options.digit_size,
            num_frames=options.num_frames,
            seed=options.seed,
            motion=options.motion,
        )
        for split in SPLITS
    }


def _write_all(
    folder: Path,
    *,
    options: _Options,
    plans: dict[str, list[ClipPlan]],
    progress: bool,
    num_workers: int | None,
) -> None:
    ink, _ = load_scans(options.digit_size)
    jobs = []
    for split in SPLITS:
        (folder / split).mkdir(parents=True)
        jobs += [_ClipJob(str(folder / split / p.file_name), p, ink[p.scan], options) for p in plans[split]]
    for _ in map_in_workers(
        _write_clip, jobs, description="Rendering moving digits", num_workers=num_workers, progress=progress
    ):
        pass
    for split in SPLITS:
        rows = [
            {
                "file_name": plan.file_name,
                "text": plan.triple.caption,
                **plan.triple._asdict(),
                "scan": plan.scan,
            }
            for plan in plans[split]
        ]
        (folder / split / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    unseen = choose_unseen_triples(options.seed)
    (folder / _UNSEEN_FILE).write_text(
        "[\n" + ",\n".join("  " + json.dumps(triple._asdict()) for triple in unseen) + "\n]\n", "utf-8"
    )
    (folder / "README.md").write_text(folder_readme(options.written(), unseen), "utf-8")


@dataclass(frozen=True)
class _ClipJob:
    path: str
    plan: ClipPlan
    ink: np.ndarray
    options: _Options


def _write_clip(job: _ClipJob) -> None:
    options = job.options
    frames = draw_clip(
        job.plan, job.ink, image_size=options.image_size, num_frames=options.num_frames, motion=options.motion
    )
    write_video(job.path, frames, frame_rate=options.frame_rate, lossless=True)
