"""Write talking faces as a folder of ordinary clips with captions and sound, the layout of a user's own folder."""

import json
import os
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from heygen_hf.data.parallel import map_in_workers
from heygen_hf.data.recordings import RecordingRows
from heygen_hf.data.rendered_folder import render_whole
from heygen_hf.data.report import name_some
from heygen_hf.data.talking_faces.card import folder_readme
from heygen_hf.data.talking_faces.clips import SPLITS, ClipPlan, clip_sound, eyes_open, nods, plan_split
from heygen_hf.data.talking_faces.drawing import draw_face
from heygen_hf.data.talking_faces.identities import ALL_IDENTITIES, split_identities
from heygen_hf.data.talking_faces.loudness import loudness_per_frame, mouth_openings
from heygen_hf.data.talking_faces.speech import Speech, find_speech, hash_speech, make_up_speech, open_speech
from heygen_hf.data.video.encode import AAC_RATES, write_video

_FORMAT_VERSION = 1  # raise it when the same options give other clips
_RECORDINGS_FILE = "recordings.json"
_MIN_IMAGE_SIZE = 32  # a closed mouth and an open one are told apart
_MIN_CLIP_SECONDS = 0.5


@dataclass(frozen=True)
class _Options:
    num_train: int
    num_validation: int
    num_test: int
    num_identities: int
    image_size: int
    num_frames: int
    frame_rate: float
    sampling_rate: int
    seed: int
    speech: str
    kind: str = "talking faces"
    format_version: int = _FORMAT_VERSION

    def __post_init__(self) -> None:
        for name in ("num_train", "num_validation", "num_test"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.image_size < _MIN_IMAGE_SIZE:
            raise ValueError(f"image_size is {self.image_size}; expected at least {_MIN_IMAGE_SIZE}, to see the mouth")
        if not self.frame_rate > 0:
            raise ValueError(f"frame_rate is {self.frame_rate}; expected frames per second above 0")
        if self.num_frames < _MIN_CLIP_SECONDS * self.frame_rate:
            raise ValueError(
                f"num_frames is {self.num_frames} at {self.frame_rate:g} frames a second; expected at least "
                f"{_MIN_CLIP_SECONDS:g} s, or nobody has time to speak"
            )
        if self.sampling_rate not in AAC_RATES or self.sampling_rate < 8000:
            known = ", ".join(str(rate) for rate in AAC_RATES if rate >= 8000)
            raise ValueError(f"sampling_rate is {self.sampling_rate}; expected one of {known}")

    @property
    def num_clips(self) -> dict[str, int]:
        return {"train": self.num_train, "validation": self.num_validation, "test": self.num_test}

    @property
    def num_samples(self) -> int:
        return round(self.num_frames / self.frame_rate * self.sampling_rate)


def render_talking_faces(
    output_dir: str | os.PathLike,
    *,
    speech_dir: str | os.PathLike | None = None,
    num_train: int = 2000,
    num_validation: int = 200,
    num_test: int = 400,
    num_identities: int = 480,
    image_size: int = 64,
    num_frames: int = 50,
    frame_rate: float = 25,
    sampling_rate: int = 16_000,
    seed: int = 0,
    overwrite: bool = False,
    progress: bool = True,
    num_workers: int | None = None,
) -> Path:
    """Render drawn faces whose mouths open as their speech is loud, and who blink and nod now and then.

    `output_dir` gets `train/`, `validation/` and `test/` with their `.mp4` files (lossless H.264, the speech as AAC)
    and `metadata.jsonl`, and `README.md`, `recordings.json` (which recording is in which split, which are left out
    and why) and `rendering.json` (the options). No identity and no recording is in two splits. It appears whole or
    not at all. The same options and recordings give the same bytes. A folder that holds a finished set with the same
    ones is left as it is.

    Args:
        output_dir: created, its parents too.
        speech_dir: a folder of recordings, in any format; short ones are joined with pauses. None: speech is made up.
        num_train, num_validation, num_test: clips of each split.
        num_identities: different faces, 80 % of them for training.
        image_size: height and width of the frames in pixels.
        num_frames: frames of each clip.
        frame_rate: frames per second.
        sampling_rate: of the sound; recordings of another are converted.
        seed: decides faces, splits, and what happens in each clip.
        overwrite: replace a set with other options. Never replaces a folder that holds something else.
        progress: show a progress bar, say when a set is reused and which recordings are left out.
        num_workers: processes; None for one per core.

    Returns:
        `output_dir`.

    Raises:
        ValueError: no usable recordings, an option that cannot work, or the folder holds something else.
    """
    rows = None if speech_dir is None else find_speech(speech_dir)
    options = _Options(
        num_train,
        num_validation,
        num_test,
        num_identities,
        image_size,
        num_frames,
        float(frame_rate),
        sampling_rate,
        seed,
        speech="synthetic" if rows is None else f"{len(rows)} recordings {hash_speech(rows)}",
    )
    identities = split_identities(num_identities, seed=seed)
    write = partial(
        _write_all, options=options, identities=identities, rows=rows, progress=progress, num_workers=num_workers
    )
    return render_whole(
        output_dir,
        write,
        name=options.kind,
        options=asdict(options),
        num_clips=options.num_clips,
        overwrite=overwrite,
        progress=progress,
    )


def _write_all(
    folder: Path,
    *,
    options: _Options,
    identities: dict[str, list[int]],
    rows: RecordingRows | None,
    progress: bool,
    num_workers: int | None,
) -> None:
    speech = _open(options, rows)
    if progress:
        _say_what_is_left_out(speech)
    plans = {
        split: plan_split(
            split,
            num_clips=options.num_clips[split],
            identities=identities[split],
            speech=speech,
            num_frames=options.num_frames,
            frame_rate=options.frame_rate,
            seed=options.seed,
        )
        for split in SPLITS
    }
    jobs = []
    for split in SPLITS:
        (folder / split).mkdir()
        jobs += [(str(folder / split / plan.file_name), plan) for plan in plans[split]]
    openings = map_in_workers(
        partial(_write_clip, speech=speech, options=options),
        jobs,
        description="Rendering talking faces",
        num_workers=num_workers,
        progress=progress,
    )
    for split in SPLITS:
        metadata = [json.dumps(_metadata(plan, speech, next(openings))) + "\n" for plan in plans[split]]
        (folder / split / "metadata.jsonl").write_text("".join(metadata), "utf-8")
    for _ in openings:
        raise AssertionError("more clips than plans")
    (folder / _RECORDINGS_FILE).write_text(json.dumps(_account(speech), indent=2) + "\n", "utf-8")
    (folder / "README.md").write_text(folder_readme(asdict(options), identities, speech), "utf-8")


def _open(options: _Options, rows: RecordingRows | None) -> Speech:
    if rows is None:
        return make_up_speech(sampling_rate=options.sampling_rate, seed=options.seed)
    return open_speech(rows, sampling_rate=options.sampling_rate, seed=options.seed)


def _say_what_is_left_out(speech: Speech) -> None:
    if speech.left_out:
        total = len(speech.left_out) + len(speech.recordings)
        shown = name_some([f"{name} ({reason})" for name, reason in speech.left_out.items()])
        print(f"{len(speech.left_out)} of {total} recordings are left out: {shown}")
    for warning in speech.warnings:
        print(warning)


def _account(speech: Speech) -> dict[str, Any]:
    names = speech.recordings.file_names
    return {
        **{split: sorted(names[row] for row in speech.splits[split]) for split in SPLITS},
        "left_out": dict(speech.left_out),
    }


def _metadata(plan: ClipPlan, speech: Speech, openings: list[float]) -> dict[str, Any]:
    identity = ALL_IDENTITIES[plan.identity]
    return {
        "file_name": plan.file_name,
        "text": identity.caption,
        "identity": plan.identity,
        **identity.attributes,
        "recordings": [speech.recordings.file_names[piece.recording] for piece in plan.pieces],
        "mouth_openings": openings,
    }


class _FrameTimes(TypedDict):
    num_frames: int
    frame_rate: float


def _write_clip(job: tuple[str, ClipPlan], *, speech: Speech, options: _Options) -> list[float]:
    """Render one clip; returns how far the mouth is open in each frame."""
    path, plan = job
    times = _FrameTimes(num_frames=options.num_frames, frame_rate=options.frame_rate)
    sound = clip_sound(plan, speech, num_samples=options.num_samples)
    openings = mouth_openings(loudness_per_frame(sound, sampling_rate=options.sampling_rate, **times))
    openings = np.round(openings, 4)  # as written, so that what is drawn is what is told
    frames = draw_face(
        ALL_IDENTITIES[plan.identity],
        openings=openings,
        eyes_open=eyes_open(plan, **times),
        nods=nods(plan, **times),
        image_size=options.image_size,
    )
    write_video(
        path,
        frames,
        frame_rate=options.frame_rate,
        lossless=True,
        audio=sound,
        sampling_rate=options.sampling_rate,
    )
    return openings.tolist()
