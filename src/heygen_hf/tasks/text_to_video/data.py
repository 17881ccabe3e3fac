"""The clips of a text-to-video recipe: opened, checked, split, decoded once."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset, Subset

from heygen_hf.data import RepeatedClips, VideoClipDataset, load_video_dataset, prepare_clips, split_by_clip
from heygen_hf.data.report import DataReport
from heygen_hf.data.sources import has_split
from heygen_hf.evaluation.attribute_accuracy.labelled_clips import class_names, read_labels
from heygen_hf.processing import VideoProcessor
from heygen_hf.tasks.text_to_video.recipe import DataSection


@dataclass(frozen=True)
class PreparedData:
    """Clips ready to train on, and the account of every file.

    Attributes:
        train: clips.
        validation: others; None where there is one clip only, which cannot be split.
        test: real clips that judge generated ones; the validation or training clips when there are no others.
        reports: split → `DataReport`.
        source: the folder's own name, without the path to it.
        num_workers: for the data loader.
    """

    train: VideoClipDataset
    validation: VideoClipDataset | None
    test: VideoClipDataset
    reports: dict[str, DataReport]
    source: str
    num_workers: int

    @property
    def captions(self) -> list[str]:
        """Every training caption."""
        return list(self.train.texts)

    def training_set(self, *, at_least: int) -> Dataset:
        """The training clips; fewer than one batch are repeated to fill it, which is said aloud."""
        times = -(-at_least // len(self.train))
        if times == 1:
            return self.train
        print(f"{len(self.train)} clips are fewer than a batch of {at_least}: each is drawn {times} times an epoch.")
        return RepeatedClips(self.train, times=times)

    def sample_prompts(self, count: int) -> list[str]:
        """The first `count` different validation captions."""
        return list(dict.fromkeys((self.validation or self.train).texts))[:count]

    def validation_subset(self, max_clips: int | None) -> Dataset | None:
        """At most so many validation clips, evenly spread."""
        if self.validation is None:
            return None
        total = len(self.validation)
        if max_clips is None or total <= max_clips:
            return self.validation
        return Subset(self.validation, [i * total // max_clips for i in range(max_clips)])


def prepare_data(section: DataSection, *, processor: VideoProcessor, seed: int, is_main: bool) -> PreparedData:
    """Open and decode what the recipe's `data` section names, and say what became of it.

    Raises:
        ValueError: nothing usable, or more unusable files than `max_bad_share`.
    """
    columns = {"caption_column": section.caption_column, "label_columns": section.label_columns}
    tables: dict[str, Any] = {"train": load_video_dataset(section.train, split="train", **columns)}
    for split, given in (("validation", section.validation), ("test", section.test)):
        if given is not None:
            tables[split] = load_video_dataset(given, split=None, **columns)
        elif has_split(section.train, split):
            tables[split] = load_video_dataset(section.train, split=split, **columns)
    said: list[str] = []
    options: dict[str, Any] = {
        "processor": processor,
        "seed": seed,
        "cache_dir": section.cache_dir or default_cache_dir(),
        "max_bad_share": section.max_bad_share,
    }
    reports: dict[str, DataReport] = {}
    if "validation" not in tables:
        # Looked at as a whole first: one bad file must not weigh as all of a small validation split.
        _, reports["train"] = prepare_clips(tables["train"], **options)
        skipped = {file_name for file_name, _ in reports["train"].skipped}
        usable = [row for row, name in enumerate(tables["train"]["file_name"]) if name not in skipped]
        tables["train"], tables["validation"] = split_by_clip(
            tables["train"].select(usable), validation_share=section.validation_share, seed=seed
        )
        if tables["validation"] is None:
            said.append("there is one clip only: none is set apart, so there is no validation loss")
            del tables["validation"]
        else:
            said.append(f"no data.validation: {len(tables['validation'])} clips are set apart for the validation loss")
    if "test" not in tables and section.label_columns:
        said.append("no data.test: generated videos are judged against the validation clips")

    clips: dict[str, VideoClipDataset] = {}
    for split, table in tables.items():
        clips[split], report = prepare_clips(table, **options)
        if split in reports:
            report.skipped, report.num_rows = reports[split].skipped, report.num_rows + len(reports[split].skipped)
        reports[split] = report
        said.append(f"{split}: {reports[split].summary()}")
    if is_main:
        print("\n".join(said))
    return PreparedData(
        train=clips["train"],
        validation=clips.get("validation"),
        test=clips.get("test") or clips.get("validation") or clips["train"],
        reports=reports,
        source=Path(section.train).name,
        num_workers=default_workers(section, reports.values()),
    )


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
    for column, values in read_labels(data.train, list(columns)).items():
        class_names(column, values)


def default_workers(section: DataSection, reports: Iterable[DataReport]) -> int:
    """Workers help only where clips are decoded as they are drawn; stored ones are read faster than handed over."""
    if section.num_workers is not None:
        return section.num_workers
    return 2 if any(report.num_decoded_each_time for report in reports) else 0
