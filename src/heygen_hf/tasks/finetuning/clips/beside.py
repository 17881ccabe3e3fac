"""Clips that are trained on beside a recipe's own, and how their losses count."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from heygen_hf.data.clips import ClipsBeside, VideoClipDataset
from heygen_hf.models.pretrained_generators import SourceLoss, SourceLosses
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.clip_data import PreparedData
from heygen_hf.tasks.clip_data.prepare import prepare_one_split
from heygen_hf.tasks.finetuning.adapter.earlier import without_adapter
from heygen_hf.tasks.finetuning.adapter.lora import ADAPTER
from heygen_hf.tasks.finetuning.clips.section import FinetuningDataSection

PRIOR, REPLAY = "prior", "replay"


def with_clips_beside(
    data: PreparedData, section: FinetuningDataSection, *, processor: VideoProcessor, seed: int, is_main: bool
) -> PreparedData:
    """The data with the clips that `data.prior` and `data.replay` ask for.

    Raises:
        ValueError: nothing usable among them.
    """
    beside: list[ClipsBeside] = []

    def add(name: str, clips: VideoClipDataset, share: float) -> None:
        beside.append(ClipsBeside(name=name, clips=clips, share=share, seed=seed))

    options: dict[str, Any] = {"processor": processor, "seed": seed, "is_main": is_main}
    if section.prior is not None:
        if section.prior.prompts:
            assert isinstance(data.train, VideoClipDataset)
            add(PRIOR, with_captions(data.train, section.prior.prompts), section.prior.share)
        else:
            clips = prepare_one_split(section, section.prior.train, name=f"data.{PRIOR}", **options)
            add(PRIOR, clips, section.prior.share)
    if section.replay is not None:
        clips = prepare_one_split(section, section.replay.train, name=f"data.{REPLAY}", **options)
        add(REPLAY, clips, section.replay.share)
    return replace(data, beside=tuple(beside))


def with_captions(clips: VideoClipDataset, captions: Sequence[str]) -> VideoClipDataset:
    """The same clips, with these captions in turn."""
    shown = clips.select(range(len(clips)), augmentation=clips.options.augmentation)
    shown.texts = [captions[row % len(captions)] for row in range(len(clips))]
    return shown


def describe_clips_beside(section: FinetuningDataSection) -> dict[str, str]:
    """For a reader of the card: name → what was trained on beside the own clips, and how."""
    found: dict[str, str] = {}
    if section.prior is not None:
        prior = section.prior
        what = f"the own clips as {', '.join(map(repr, prior.prompts))}" if prior.prompts else _named(prior.train)
        how = "compared with what the base predicts" if prior.target == "base" else "learned"
        found["prior preservation"] = f"{what}, {prior.share:.0%} of the samples, weight {prior.weight:g}, {how}"
    if section.replay is not None:
        found["replay"] = f"{_named(section.replay.train)}, {section.replay.share:.0%} of the samples"
    return found


def _named(source: str | list[str] | None) -> str:
    return ", ".join(Path(one).name for one in ([source] if isinstance(source, str) else source or []))


def check_clips_beside(section: FinetuningDataSection, *, adapts: bool) -> None:
    """Refuse what only an adapter can do.

    Raises:
        ValueError: names the key.
    """
    if section.prior is not None and section.prior.target == "base" and not adapts:
        raise ValueError(
            "data.prior.target=base compares with the base, which is there only while an adapter learns beside it: add "
            "a peft section, or set the target to clips"
        )


def build_source_losses(section: FinetuningDataSection, transformer: nn.Module) -> SourceLosses | None:
    """How the clips of each source count; None where there are only own ones."""
    found: dict[str, SourceLoss] = {}
    if section.prior is not None:
        found[PRIOR] = SourceLoss(weight=section.prior.weight, target=section.prior.target)
    if section.replay is not None:
        found[REPLAY] = SourceLoss()
    if not found:
        return None
    return SourceLosses(found, as_before=partial(without_adapter, transformer, ADAPTER))
