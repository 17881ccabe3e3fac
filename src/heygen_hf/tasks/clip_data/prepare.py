"""The clips of a recipe: opened, checked, split, decoded once."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch.utils.data import Dataset

from heygen_hf.data.clips import (
    ClipOptions,
    ClipsBeside,
    ClipSubset,
    MixedClips,
    RepeatedClips,
    StreamedClipDataset,
    VideoClipDataset,
    prepare_clips,
)
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources import has_split, load_video_dataset, open_video_shards, split_rows
from heygen_hf.evaluation.attribute_accuracy.labelled_clips import class_names, read_labels
from heygen_hf.processing import VideoProcessor, shuffled_indices
from heygen_hf.tasks.clip_data.captionless import leave_out_captionless
from heygen_hf.tasks.clip_data.section import DataSection
from heygen_hf.tasks.clip_data.sizes import bucket_set

_CAPTIONS_LOOKED_AT = 100_000  # of streamed clips, to build a tokenizer from


@dataclass(frozen=True)
class PreparedData:
    """Clips ready to train on, and the account of every file.

    Attributes:
        train: clips.
        validation: others; None where there is one clip only, which cannot be split, or where clips are streamed and
            no validation split is named.
        test: real clips that judge generated ones; the validation or training clips when there are no others.
        reports: split → `DataReport`; of streamed clips nothing is known beforehand.
        captions: training captions, of streamed clips a sample.
        source: the folder's own name, without the path to it.
        notes: what was left out for the task's sake, in words.
        num_workers: for the data loader.
        beside: other clips that are trained on beside `train`.
    """

    train: VideoClipDataset | StreamedClipDataset
    validation: VideoClipDataset | None
    test: VideoClipDataset | StreamedClipDataset
    reports: dict[str, DataReport]
    captions: list[str]
    source: str
    num_workers: int
    notes: tuple[str, ...] = ()
    beside: tuple[ClipsBeside, ...] = ()

    @property
    def measured_split(self) -> Literal["test", "validation", "training"]:
        """Which clips `test` are."""
        if self.test is self.validation:
            return "validation"
        return "training" if self.test is self.train else "test"

    @property
    def test_note(self) -> str | None:
        """What a reader of figures must know of the clips behind them; None where they are test clips."""
        if self.measured_split == "validation":
            return "There is no test split: the figures are of the validation clips."
        if self.measured_split == "training":
            return "There is neither a test nor a validation split: the figures are of the training clips."
        return None

    @property
    def labelled_train(self) -> VideoClipDataset:
        """The training clips with their label columns, which a judge learns from."""
        if isinstance(self.train, StreamedClipDataset):
            raise ValueError("judges need to know all labels, and streamed clips do not; set data.streaming=false")
        return self.train

    def training_set(self, *, at_least: int) -> Dataset:
        """The training clips, mixed with those beside; fewer than one batch are repeated to fill it, which is said
        aloud."""
        if isinstance(self.train, StreamedClipDataset):
            return self.train
        clips = MixedClips(self.train, self.beside) if self.beside else self.train
        times = -(-at_least // len(clips))
        if times == 1:
            return clips
        print(f"{len(clips)} clips are fewer than a batch of {at_least}: each is drawn {times} times an epoch.")
        return RepeatedClips(clips, times=times)

    def sample_prompts(self, count: int) -> list[str]:
        """The first `count` different validation captions."""
        return list(dict.fromkeys(self.validation.texts if self.validation else self.captions))[:count]

    def validation_subset(self, max_clips: int | None) -> Dataset | None:
        """At most so many validation clips, evenly spread."""
        if self.validation is None:
            return None
        total = len(self.validation)
        if max_clips is None or total <= max_clips:
            return self.validation
        return ClipSubset(self.validation, [i * total // max_clips for i in range(max_clips)])


def prepare_data(
    section: DataSection, *, processor: VideoProcessor, seed: int, is_main: bool, needs_captions: bool = False
) -> PreparedData:
    """Open and decode what the recipe's `data` section names, and say what became of it.

    Args:
        needs_captions: leave out clips without a caption, unless no clip of their split has one.

    Raises:
        ValueError: nothing usable, or more unusable files than `max_bad_share`.
    """
    said: list[str] = []
    notes: list[str] = []
    reports: dict[str, DataReport] = {}
    clips: dict[str, Any] = {}
    tables = open_splits(section, seed=seed)
    options = _preparing(section, processor=processor, seed=seed)
    if section.streaming:
        clips["train"] = _streamed(section, processor=processor, seed=seed)
        said.append(
            f"train: {len(clips['train'])} clips in {len(clips['train'].num_rows_per_shard)} shards, streamed: what "
            "cannot be read is found out, named and replaced while training"
        )
        if "validation" not in tables:
            said.append("no data.validation: streamed clips are not split, so there is no validation loss")
    for split, table in tables.items():
        clips[split], reports[split] = prepare_clips(table, **options)
        if needs_captions:
            clips[split], left_out = leave_out_captionless(clips[split], reports[split], split=split)
            notes += [left_out] if left_out else []
        if split == "train":
            if "validation" not in tables:
                said += _set_apart(clips, reports, section, seed=seed)
            rows = range(len(clips["train"]))
            clips["train"] = clips["train"].select(rows, augmentation=section.augmentation)
        said.append(f"{split}: {reports[split].summary()}")
    prepared = PreparedData(
        train=clips["train"],
        validation=clips.get("validation"),
        test=clips.get("test") or clips.get("validation") or clips["train"],
        reports=reports,
        captions=_captions(clips["train"], seed=seed),
        source=", ".join(Path(source).name for source in _sources(section)),
        num_workers=default_workers(section, reports.values()),
        notes=tuple(notes),
    )
    if is_main:
        print("\n".join([*said, *notes, *filter(None, [prepared.test_note])]))
    return prepared


def prepare_one_split(
    section: DataSection, source: str | list[str], *, name: str, processor: VideoProcessor, seed: int, is_main: bool
) -> VideoClipDataset:
    """Further clips to train on, read as `section` says of its own, and what became of them said aloud.

    Args:
        source: as `data.train`.
        name: of the key that names them.

    Raises:
        ValueError: nothing usable, or more unusable files than `max_bad_share`.
    """
    columns = {**_columns(section), "label_columns": []}
    table = load_video_dataset(source, split="train", **columns)
    clips, report = prepare_clips(table, **_preparing(section, processor=processor, seed=seed))
    if is_main:
        print(f"{name}: {report.summary()}")
    return clips.select(range(len(clips)), augmentation=section.augmentation)


def _preparing(section: DataSection, *, processor: VideoProcessor, seed: int) -> dict[str, Any]:
    return {
        "processor": processor,
        "seed": seed,
        "buckets": bucket_set(section, processor),
        "cache_dir": section.cache_dir or default_cache_dir(),
        "max_bad_share": section.max_bad_share,
        "max_clip_mebibytes": section.max_clip_mebibytes,
        "decode_time_limit_seconds": section.decode_time_limit_seconds,
    }


def _set_apart(clips: dict[str, Any], reports: dict[str, DataReport], section: DataSection, *, seed: int) -> list[str]:
    """Take the validation clips from the training clips: after all were looked at, so that one bad file cannot weigh
    as all of a small split, and by their contents, so that a copy is never on the other side. What to say of it."""
    train, validation = split_rows(clips["train"].contents, section.validation_share, seed=seed)
    if not validation:
        return ["there is one clip only: none is set apart, so there is no validation loss"]
    whole = clips["train"]
    clips["train"], clips["validation"] = whole.select(train), whole.select(validation)
    reports["train"].num_used, reports["train"].num_set_apart = len(train), len(validation)
    reports["validation"] = DataReport(num_rows=len(validation), num_used=len(validation))
    return [f"no data.validation: {len(validation)} clips are set apart for the validation loss"]


def _sources(section: DataSection) -> list[str]:
    return [section.train] if isinstance(section.train, str) else section.train


def _columns(section: DataSection) -> dict[str, Any]:
    return {
        "caption_column": section.caption_column,
        "label_columns": section.label_columns,
        "video_column": section.video_column,
        "missing_columns": section.missing_columns,
    }


def open_splits(section: DataSection, *, seed: int) -> dict[str, Any]:
    """Split → table, of all splits that are not streamed."""
    columns = _columns(section)
    tables: dict[str, Any] = {}
    if not section.streaming:
        mixing: dict[str, Any] = {}
        if isinstance(section.train, list):
            mixing = {"mixing_weights": section.mixing_weights, "seed": seed}
        tables["train"] = load_video_dataset(section.train, split="train", **columns, **mixing)
    for split, given in (("validation", section.validation), ("test", section.test)):
        if given is not None:
            tables[split] = load_video_dataset(given, split=None, **columns)
        elif isinstance(section.train, str) and has_split(section.train, split):
            tables[split] = load_video_dataset(section.train, split=split, **columns)
    return tables


def _streamed(section: DataSection, *, processor: VideoProcessor, seed: int) -> StreamedClipDataset:
    mixing = {"mixing_weights": section.mixing_weights} if isinstance(section.train, list) else {}
    shards = open_video_shards(
        section.train,
        split="train",
        **_columns(section),
        **mixing,
    )
    options = ClipOptions(
        seed=seed,
        augmentation=section.augmentation,
        decode_time_limit_seconds=section.decode_time_limit_seconds,
    )
    return StreamedClipDataset(shards, processor=processor, options=options, label_columns=section.label_columns)


def _captions(clips: VideoClipDataset | StreamedClipDataset, *, seed: int) -> list[str]:
    """All captions, or those of some streamed clips."""
    if isinstance(clips, VideoClipDataset):
        return list(clips.texts)
    texts = clips.shards.read_columns(["text"])["text"]
    return texts.take(sorted(shuffled_indices(len(clips), seed)[:_CAPTIONS_LOOKED_AT].tolist())).to_pylist()


def default_cache_dir() -> Path:
    """`HEYGEN_HF_CACHE`, else `heygen_hf` in the user's cache folder."""
    given = os.environ.get("HEYGEN_HF_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "heygen_hf"


def check_labels(data: PreparedData, columns: Iterable[str]) -> None:
    """Refuse label columns that no judge can learn, before training and not after it.

    Raises:
        ValueError: an empty value, fewer than two classes, or nearly as many as clips.
    """
    for column, values in read_labels(data.labelled_train, list(columns)).items():
        class_names(column, values)


def default_workers(section: DataSection, reports: Iterable[DataReport]) -> int:
    """Workers help only where clips are decoded as they are drawn; stored ones are read faster than handed over."""
    if section.num_workers is not None:
        return section.num_workers
    return 2 if section.streaming or any(report.num_decoded_each_time for report in reports) else 0
