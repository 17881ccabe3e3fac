"""Texts with their classes: where they are, which are held out, and how labels become numbers."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from heygen_hf.data.python_text import load_python_documents
from heygen_hf.tasks.text.class_folders import has_class_folders, open_class_folders
from heygen_hf.tasks.text.class_labels import known_names, number_labels
from heygen_hf.tasks.text.text_data import Repeated, TextDataSection, TextSplits, prepare_text_splits

if TYPE_CHECKING:
    import datasets


PYTHON_DOCSTRINGS = "python_docstrings"


_SPLITS = ("train", "validation", "test")


@dataclass(kw_only=True)
class ClassificationDataSection(TextDataSection):
    """[`TextDataSection`], and the labels.

    Args:
        train: `python_docstrings` (which top-level module of the standard library a docstring is from), a folder with
            a subfolder of .txt files for each class (in `train` and `test` folders, or without), or what
            [`TextDataSection`] says, with a column of labels.
        label_column: names, or class numbers; -100 is a text that does not count.
        class_names: names in the order of the class numbers; by default the data set's own, or the training labels.
        most_classes: keep only so many classes, those with the most training texts; None for all.
        max_length: tokens of a text in training: a part of a longer one. In evaluation `max_length_in_evaluation`.
        max_length_in_evaluation: tokens of a text, the rest is cut off.
        crop_share: how often a training text that would fit is cut to a part of it.
        token_dropout: mean share of a training text's tokens left out, in [0, 0.5].
    """

    train: str = PYTHON_DOCSTRINGS
    label_column: str = "label"
    class_names: list[str] | None = None
    most_classes: int | None = None
    max_length: int = 128
    max_length_in_evaluation: int = 512
    test_share: float = 0.2
    crop_share: float = 0.0
    token_dropout: float = 0.0

    repeated_in_train: ClassVar[Repeated] = "exact"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.crop_share <= 1:
            raise ValueError(f"crop_share is {self.crop_share}; expected a share between 0 and 1")
        if not 0 <= self.token_dropout <= 0.5:
            raise ValueError(f"token_dropout is {self.token_dropout}; expected a share between 0 and 0.5")
        if self.most_classes is not None and self.most_classes < 2:
            raise ValueError(f"most_classes is {self.most_classes}; a classifier needs at least 2")


@dataclass(kw_only=True)
class LabelledTexts:
    """Texts of every split with their class numbers.

    Attributes:
        texts, labels: by split, "train", "validation" and "test".
        class_names: in the order of their numbers.
        splits: the documents they are from.
    """

    texts: dict[str, list[str]]
    labels: dict[str, list[int]]
    class_names: list[str]
    splits: TextSplits


def prepare_labelled_texts(
    data: ClassificationDataSection, *, seed: int, exported: Path | None = None
) -> LabelledTexts:
    """Open the texts, hold out what the recipe has no split for, and number the labels.

    Raises:
        ValueError: no texts, no such column, or labels that `number_labels` refuses.
    """
    column = data.label_column
    opened, openers = _with_class_folders(data)
    splits = prepare_text_splits(opened, seed=seed, built_in=openers)
    for split in _SPLITS:
        names = getattr(splits, split).column_names
        if column not in names:
            raise ValueError(
                f"data.label_column is {column!r}, and the {split} split has the columns {', '.join(names)}; name one"
            )
    if data.most_classes is not None:
        _keep_most_frequent(splits, column, data.most_classes)
    class_names, labels = number_labels(
        {split: list(getattr(splits, split)[column]) for split in _SPLITS},
        column=column,
        class_names=known_names(column, splits.train, given=data.class_names, exported=exported)
        if data.most_classes is None
        else None,
    )
    texts = {split: splits.texts(split) for split in _SPLITS}  # type: ignore[arg-type]
    return LabelledTexts(texts=texts, labels=labels, class_names=class_names, splits=splits)


def docstrings_by_module(*, label_column: str = "label") -> "datasets.Dataset":
    """Docstrings of the standard library, each labelled with its top-level module, such as "email"."""
    documents = load_python_documents()
    rows = [number for number, kind in enumerate(documents["kind"]) if kind != "reference"]
    documents = documents.select(rows)
    return documents.add_column(label_column, [module.split(".")[0] for module in documents["module"]])


def _with_class_folders(
    data: ClassificationDataSection,
) -> tuple[ClassificationDataSection, dict[str, Callable[[], "datasets.Dataset"]]]:
    """The section with `train`, `validation` and `test` folders of class folders named, and what opens each."""
    openers: dict[str, Callable[[], datasets.Dataset]] = {
        PYTHON_DOCSTRINGS: partial(docstrings_by_module, label_column=data.label_column)
    }
    if has_class_folders(str(Path(data.train, "train"))):
        beside = {split: str(Path(data.train, split)) for split in _SPLITS if Path(data.train, split).is_dir()}
        given = {split: getattr(data, split) for split in ("validation", "test") if getattr(data, split) is not None}
        data = dataclasses.replace(data, **(beside | given))
    for split in _SPLITS:
        source = getattr(data, split)
        if source is not None and source not in openers and has_class_folders(source):
            openers[source] = partial(open_class_folders, source, label_column=data.label_column)
    return data, openers


def _keep_most_frequent(splits: TextSplits, column: str, most_classes: int) -> None:
    counts = Counter(splits.train[column])
    kept = set(sorted(counts, key=lambda label: (-counts[label], str(label)))[:most_classes])
    for split in _SPLITS:
        documents = getattr(splits, split)
        rows = [number for number, label in enumerate(documents[column]) if label in kept]
        if not rows:
            raise ValueError(f"the {split} split has none of the {most_classes} most frequent classes; check data")
        report = splits.reports[split]
        report["num_of_rarer_classes"] = len(documents) - len(rows)
        report["num_used"] = len(rows)
        setattr(splits, split, documents.select(rows))


def note_on_texts(data: ClassificationDataSection, labelled: LabelledTexts) -> str | None:
    if data.train != PYTHON_DOCSTRINGS:
        return None
    counts = Counter(labelled.labels["train"])
    fewest, most = min(counts.values()), max(counts.values())
    return (
        f"Docstrings of the Python standard library's {len(labelled.class_names)} top-level modules with the most of "
        f"them ({fewest} to {most} training docstrings each). Near duplicates are left out first; no held-out "
        "docstring shares more than half of its runs of five words with the training docstrings"
    )
