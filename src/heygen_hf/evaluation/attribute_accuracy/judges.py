"""Judges: one small classifier for each label column, that reads attributes off videos."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

from heygen_hf.evaluation.attribute_accuracy.labelled_clips import LabelledClips, Processor, fetch_clips

if TYPE_CHECKING:
    from heygen_hf.models.conv_video_encoder import ConvVideoEncoderForVideoClassification

_INDEX_NAME = "judges.json"
_FORMAT_VERSION = 1


@dataclass(frozen=True)
class JudgeTraining:
    """How one judge came to be.

    Attributes:
        steps: optimiser steps taken.
        seconds: time that took, checks included.
        stopped_early: whether the held-out accuracy was high enough to stop before `max_steps`.
        train_clips: clips it was trained on.
        unknown_held_out_values: values of the held-out clips that the training clips do not have. The judge
            cannot name them, so those clips count as errors.
    """

    steps: int
    seconds: float
    stopped_early: bool
    train_clips: int
    unknown_held_out_values: tuple[str, ...] = ()


class AttributeJudges:
    """A trained judge for each label column, and how good they are on real clips they have not seen.

    Attributes:
        judges: column -> classifier; the classes' names are in its `config.id2label`.
        held_out: the result of `attribute_accuracy` on held-out real clips: the most that can be expected of
            generated ones. None if that was never measured.
        training: column -> [`JudgeTraining`].
        max_frames, max_edge: longer or larger clips are thinned out and scaled down to this before they are
            judged.
    """

    def __init__(
        self,
        judges: Mapping[str, "ConvVideoEncoderForVideoClassification"],
        *,
        held_out: dict[str, Any] | None = None,
        training: Mapping[str, JudgeTraining] | None = None,
        max_frames: int = 16,
        max_edge: int = 64,
    ):
        if not judges:
            raise ValueError("judges is empty: name one label column or more.")
        self.judges = dict(judges)
        self.held_out = held_out
        self.training = dict(training or {})
        self.max_frames = max_frames
        self.max_edge = max_edge

    @property
    def columns(self) -> list[str]:
        return list(self.judges)

    @torch.no_grad()
    def predict(self, videos: torch.Tensor, *, batch_size: int = 64) -> dict[str, list[str]]:
        """What each judge sees in each video.

        Args:
            videos: floating point `(n, frames, channels, height, width)` in [-1, 1].
            batch_size: videos judged at a time.

        Returns:
            column -> one value a video.

        Raises:
            ValueError: videos of another shape or type, or with values that are not finite.
        """
        if videos.ndim != 5 or not videos.is_floating_point():
            raise ValueError(
                f"videos are {videos.dtype} of shape {tuple(videos.shape)}, expected floating point "
                "(n, frames, channels, height, width) in [-1, 1]: use processor.normalize on uint8 frames."
            )
        finite = torch.isfinite(videos.flatten(1)).all(1) if len(videos) else torch.ones(0, dtype=torch.bool)
        if not finite.all():
            raise ValueError(f"video {int((~finite).nonzero()[0])} has values that are not finite: its model diverged.")
        predictions: dict[str, list[str]] = {column: [] for column in self.judges}
        for batch in videos.split(batch_size) if len(videos) else ():
            batch = prepare_clips(batch, max_frames=self.max_frames, max_edge=self.max_edge)
            for column, judge in self.judges.items():
                predictions[column] += predict_labels(judge, batch)
        return predictions

    def predict_dataset(
        self, dataset: LabelledClips, processor: Processor, *, batch_size: int = 64
    ) -> dict[str, list[str]]:
        """`predict` on every clip of a data set of uint8 frames, a batch in memory at a time."""
        predictions: dict[str, list[str]] = {column: [] for column in self.judges}
        for start in range(0, len(dataset), batch_size):
            frames = fetch_clips(dataset, range(start, min(start + batch_size, len(dataset))), processor)
            for column, values in self.predict(frames, batch_size=batch_size).items():
                predictions[column] += values
        return predictions

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write a folder for each judge, and what was measured as JSON beside them."""
        root = Path(save_directory)
        root.mkdir(parents=True, exist_ok=True)
        folders = _folder_names(self.columns)
        for column, judge in self.judges.items():
            judge.save_pretrained(root / folders[column])
        index = {
            "format_version": _FORMAT_VERSION,
            "columns": folders,
            "max_frames": self.max_frames,
            "max_edge": self.max_edge,
            "held_out": self.held_out,
            "training": {column: asdict(training) for column, training in self.training.items()},
        }
        (root / _INDEX_NAME).write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def from_pretrained(cls, directory: str | Path) -> "AttributeJudges":
        """Read what `save_pretrained` wrote.

        Raises:
            ValueError: the folder holds no judges, or judges of another format.
        """
        root = Path(directory)
        path = root / _INDEX_NAME
        if not path.is_file():
            raise ValueError(
                f"{root} has no {_INDEX_NAME}: expected a folder written by AttributeJudges.save_pretrained."
            )
        index = json.loads(path.read_text(encoding="utf-8"))
        if index.get("format_version") != _FORMAT_VERSION:
            raise ValueError(
                f"{path} has format_version={index.get('format_version')}, expected {_FORMAT_VERSION}: "
                "train the judges again with this version."
            )
        from heygen_hf.models.conv_video_encoder import ConvVideoEncoderForVideoClassification

        judges = {}
        for column, folder in index["columns"].items():
            if Path(folder).name != folder or folder in {"", ".", ".."}:
                raise ValueError(f"{path} points outside its folder for column {column!r}: {folder!r}.")
            judges[column] = ConvVideoEncoderForVideoClassification.from_pretrained(root / folder).eval()
        training = {
            column: JudgeTraining(**{**values, "unknown_held_out_values": tuple(values["unknown_held_out_values"])})
            for column, values in index["training"].items()
        }
        return cls(
            judges,
            held_out=index["held_out"],
            training=training,
            max_frames=index["max_frames"],
            max_edge=index["max_edge"],
        )


@torch.no_grad()
def predict_labels(judge: "ConvVideoEncoderForVideoClassification", clips: torch.Tensor) -> list[str]:
    """The class names that one judge gives to prepared `(n, frames, channels, height, width)` clips."""
    clips = clips.to(device=judge.device, dtype=torch.float32)
    # fp32 even inside an autocast region: half-precision 3-D convolutions gave NaN on a CPU
    with torch.autocast(judge.device.type, enabled=False):
        classes = judge(clips).logits.argmax(-1).tolist()
    return [judge.config.id2label[index] for index in classes]


def prepare_clips(clips: torch.Tensor, *, max_frames: int, max_edge: int) -> torch.Tensor:
    """Thin out and scale down `(n, frames, channels, height, width)` clips to what a small judge needs.

    Frames are taken evenly, first and last included; the longer edge becomes `max_edge` at most.
    """
    clips_count, frames, channels, height, width = clips.shape
    if frames > max_frames:
        picked = torch.linspace(0, frames - 1, max_frames, device=clips.device).round().long()
        clips = clips[:, picked]
    scale = max_edge / max(height, width)
    if scale < 1:
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        scaled = F.interpolate(clips.flatten(0, 1).float(), size=size, mode="bilinear", antialias=True)
        clips = scaled.view(clips_count, -1, channels, *size)
    return clips


def _folder_names(columns: Sequence[str]) -> dict[str, str]:
    """A folder for each column: its own name where that is a plain one."""
    names = {}
    for index, column in enumerate(columns):
        plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", column) and column != _INDEX_NAME
        # the prefix cannot collide: a plain name never starts with a dash
        names[column] = column if plain else f"-column-{index}"
    return names
