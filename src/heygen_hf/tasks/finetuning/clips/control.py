"""Clips that control others, in a fine-tuning's data: made of the clips themselves, or files beside them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from heygen_hf.data import write_video
from heygen_hf.data.clips import VideoClipDataset, attach_controls
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources.columns import MissingColumnError
from heygen_hf.data.sources.files import resolve_inside
from heygen_hf.models.pretrained_generators import GeneratorFamily
from heygen_hf.processing import VideoProcessor
from heygen_hf.processing.derived_control import ControlKind
from heygen_hf.tasks.clip_data import PreparedData, prepare_data
from heygen_hf.tasks.finetuning.clips.encoders import control_of
from heygen_hf.tasks.finetuning.clips.section import FinetuningDataSection
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text_to_video.parts import Samples


def check_control(section: FinetuningDataSection, family: GeneratorFamily) -> None:
    """Refuse data without control for a family that takes it, and with it for one that does not.

    Raises:
        ValueError: names the keys.
    """
    asked = "control" if section.control is not None else "control_column" if section.control_column else None
    if family.takes_control and asked is None:
        raise ValueError(
            f"{family.name} is trained with a clip that controls each clip: name their column in data.control_column, "
            "or set data.control=edges to make them of the clips"
        )
    if asked is not None and not family.takes_control:
        raise ValueError(f"{family.name} takes no clips that control others: leave data.{asked} out")


def describe_control(section: FinetuningDataSection) -> dict[str, str]:
    """What controlled the clips, name → value; nothing where nothing did."""
    if section.control is not None:
        return {"control": f"{section.control.replace('_', ' ')}, made of each clip"}
    return {"control": "a clip beside each"} if section.control_column is not None else {}


def read_clips(recipe: Recipe, *, processor: VideoProcessor, is_main: bool) -> PreparedData:
    """The recipe's clips, and with `data.control_column` these names as a label.

    Raises:
        ValueError: as `prepare_data`; the column is not there.
    """
    section, column = recipe.data, recipe.data.control_column
    if column is not None and column not in section.label_columns:
        section = replace(section, label_columns=[*section.label_columns, column])
    try:
        return prepare_data(section, processor=processor, seed=recipe.seed, is_main=is_main)
    except MissingColumnError as error:
        if error.column != column:
            raise
        said = str(error).replace("label column", "column").replace("data.label_columns", "data.control_column")
        raise ValueError(said) from None


def with_control(data: PreparedData, section: FinetuningDataSection, *, is_main: bool) -> PreparedData:
    """The data with the clips that `data.control_column` names; those whose control cannot be used are left out.

    Raises:
        ValueError: they are more than `max_bad_share` of a split.
    """
    column = section.control_column
    if column is None:
        return data
    done: dict[int, VideoClipDataset] = {}  # a split may stand for another
    notes = list(data.notes)
    for split in ("train", "validation", "test"):
        clips = getattr(data, split)
        if clips is None or id(clips) in done:
            continue
        assert isinstance(clips, VideoClipDataset)
        names = clips.labels.pop(column) if column not in section.label_columns else clips.labels[column]
        files = [_file_of(clips, row, name) for row, name in enumerate(names)]
        done[id(clips)], problems = attach_controls(clips, files, progress=is_main)
        _refuse_if_bad(problems, clips, section.max_bad_share, column=column)
        if problems:
            report = data.reports.get(split, DataReport(num_rows=len(clips)))
            report.skipped += problems
            report.num_used -= len(problems)
            notes.append(
                f"{split}: {len(problems)} of {len(clips)} clips are left out for their {column}: "
                + "; ".join(f"{name!r}: {reason}" for name, reason in problems[:3])
            )
            if is_main:
                print(notes[-1])
    chosen: dict[str, Any] = {
        split: None if getattr(data, split) is None else done[id(getattr(data, split))]
        for split in ("train", "validation", "test")
    }
    return replace(data, **chosen, captions=list(chosen["train"].texts), notes=tuple(notes))


def _file_of(clips: VideoClipDataset, row: int, name: str | None) -> str | None:
    """The named file in the folder in which the clip is listed; None where it is not inside."""
    path, listed_as = clips.paths[row], clips.file_names[row]
    if not name or path is None or not path.endswith(f"/{listed_as}"):
        return None
    return resolve_inside(str(Path(path.removesuffix(f"/{listed_as}")).resolve()), name)


def _refuse_if_bad(
    problems: Sequence[tuple[str, str]], clips: VideoClipDataset, max_bad_share: float, *, column: str
) -> None:
    if not problems or (len(problems) < len(clips) and len(problems) <= max_bad_share * len(clips)):
        return
    some = "; ".join(f"{name!r}: {reason}" for name, reason in problems[:3])
    raise ValueError(
        f"{len(problems)} of {len(clips)} clips cannot be used for their {column} ({some}); mend them, or raise "
        "data.max_bad_share"
    )


def control_samples(
    found: Samples, clips: Any, *, processor: VideoProcessor, kind: ControlKind | None, keeps_prompts: bool
) -> Samples:
    """As many samples as were found, each beside what controls one of the clips.

    Args:
        keeps_prompts: they are asked for; else they are the captions of these clips.
    """
    count = len(found.texts)
    rows = [i * len(clips) // count for i in range(count)]
    controls = [_at_size(control_of(item, kind), processor) for item in clips.fetch(rows, epoch=0)]
    texts = found.texts if keeps_prompts else [clips.texts[row] for row in rows]
    usage = f"--prompt {texts[0]!r} --video control.mp4"
    return Samples(texts, texts, usage=usage, given={"video": torch.stack(controls).float() / 255})


def write_controls(folder: Path, samples: Samples, *, frame_rate: float) -> None:
    """`control-00.mp4`, … of the samples, where clips control them."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, clip in enumerate(samples.given.get("video", ())):
        write_video(folder / f"control-{number:02d}.mp4", (clip * 255).round().to(torch.uint8), frame_rate=frame_rate)


def _at_size(control: torch.Tensor, processor: VideoProcessor) -> torch.Tensor:
    """A clip of another bucket, at the size at which samples are made."""
    frames = torch.arange(processor.num_frames).clamp(max=len(control) - 1)
    return processor.resize_and_crop(control[frames])
