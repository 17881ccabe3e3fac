"""The `data` section of the text tasks: where the documents are, and which of them are held out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from heygen_hf.data.python_text import load_python_documents
from heygen_hf.data.text.repetition import has_words, keep_first_of_each, split_held_out
from heygen_hf.tasks.text.text_files import TextUnit, open_text

if TYPE_CHECKING:
    import datasets

PYTHON_REFERENCE = "python_reference"

Repeated = Literal["near", "exact", "keep"]
Split = Literal["train", "validation", "test"]

# Words for data.train that name text every machine has.
BUILT_IN: dict[str, Callable[[], "datasets.Dataset"]] = {
    PYTHON_REFERENCE: lambda: load_python_documents(without_near_duplicates=False),
}

_COUNTS = ("num_set_apart", "num_repeated", "num_without_words", "num_in_other_splits")


@dataclass(kw_only=True)
class TextDataSection:
    """Where the text is and how it is read; the text tasks add their own fields.

    Args:
        train: `python_reference` (Python's language reference and its standard library's docstrings), or a .txt,
            .jsonl, .csv or .parquet file, a folder of these, or a data set of the Hub.
        validation, test: the same for the validation loss and the final figures; by default the subfolder of that name
            where `train` is a folder that has it, else a share of the training documents. Splits of a Hub data set are
            taken where its name is given here too.
        text_column: of files with columns.
        documents_of_txt: what is a document in .txt files: the "file", a "paragraph" or a "line".
        validation_share, test_share: of the training documents, set apart where there is no such split. Documents of
            which a large part is found in the others are not set apart.
        repeated: documents that repeat others: "near" leaves out near duplicates too, "exact" copies alone, those in
            `validation` and `test` of training documents included (and with both, documents without a word), "keep"
            none. By default "near" for the training documents of a language model and "exact" elsewhere.
        tokenizer: name or folder of a tokenizer; by default byte pairs are learned from the training text.
        vocab_size_limit: the most tokens of that vocabulary.
        max_length: tokens of a row.
        cache_dir: where files that were read are kept; by default the user's cache folder.
        num_workers: data loader workers.
    """

    train: str = PYTHON_REFERENCE
    validation: str | None = None
    test: str | None = None
    text_column: str = "text"
    documents_of_txt: TextUnit = "file"
    validation_share: float = 0.04
    test_share: float = 0.08
    repeated: Repeated | None = None
    tokenizer: str | None = None
    vocab_size_limit: int = 4096
    max_length: int = 256
    cache_dir: str | None = None
    num_workers: int = 0

    repeated_in_train: ClassVar[Repeated] = "near"

    def __post_init__(self) -> None:
        if self.max_length < 2:
            raise ValueError(f"max_length is {self.max_length}; expected at least 2 tokens")
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a share between 0 and 1, such as 0.05")


@dataclass(kw_only=True)
class TextSplits:
    """Documents that share none between splits; all columns of the source.

    Attributes:
        train, validation, test: a document a row.
        reports: split → account of rows used and left out.
        text_column: of the documents.
        given: splits that were not set apart from the training documents.
    """

    train: "datasets.Dataset"
    validation: "datasets.Dataset"
    test: "datasets.Dataset"
    reports: dict[str, dict[str, Any]] = field(default_factory=dict)
    text_column: str = "text"
    given: frozenset[str] = frozenset()

    def left_out(self) -> list[str]:
        """A line for each split of which documents are not used, with the reasons."""
        lines = []
        for split, report in self.reports.items():
            reasons = {
                "repeat others": report["num_repeated"],
                "are in other splits": report["num_in_other_splits"],
                "have no word": report["num_without_words"],
                "have no text": len(report["skipped"]),
            }
            said = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)
            if said:
                lines.append(f"{split}: of {report['num_rows']:,} documents are left out: {said}")
        return lines

    def texts(self, split: Split) -> list[str]:
        return list(getattr(self, split)[self.text_column])


def prepare_text_splits(
    data: TextDataSection,
    *,
    seed: int,
    built_in: Mapping[str, Callable[[], "datasets.Dataset"]] = BUILT_IN,
    keep_row: Callable[[dict[str, Any]], bool] | None = None,
) -> TextSplits:
    """Open the documents, leave out repeated ones, and set apart what the recipe has no split for.

    Args:
        data: the recipe's section.
        seed: of which documents are held out.
        built_in: words for `data.train`, and what opens them.
        keep_row: which documents count at all, where a task wants only some.

    Raises:
        ValueError: no text, no such column, or nothing left for a split.
    """
    column, reports = data.text_column, {}
    train, reports["train"] = _read(data, data.train, "train", built_in, keep_row)
    given: dict[str, datasets.Dataset] = {}
    for split in ("test", "validation"):
        source = getattr(data, split) or _beside(data, split, built_in)
        if source is None:
            continue
        given[split], reports[split] = _read(data, source, split, built_in, keep_row)
    named = frozenset(given)
    for split in ("test", "validation"):  # the test documents first: they are apart from both others
        if split in given:
            continue
        share = getattr(data, f"{split}_share")
        rest, held_out = split_held_out(train[column], share=share, seed=seed + (split == "validation"))
        if not held_out or not rest:
            lacking = "to hold out" if rest else "to train on"
            raise ValueError(
                f"data.{split}_share={share} of {len(train)} documents leaves nothing {lacking}; name "
                f"a data.{split}, change the share, or divide .txt files by data.documents_of_txt=paragraph"
            )
        given[split], train = train.select(held_out), train.select(rest)
        reports[split] = {
            **dict.fromkeys(_COUNTS, 0),
            "num_rows": len(held_out),
            "num_used": len(held_out),
            "skipped": [],
        }
        reports["train"]["num_used"] -= len(held_out)
        reports["train"]["num_set_apart"] += len(held_out)
    splits = TextSplits(
        train=train,
        validation=given["validation"],
        test=given["test"],
        reports=reports,
        text_column=column,
        given=named,
    )
    if data.repeated != "keep":
        _leave_out_what_others_have(splits)
    return splits


def _leave_out_what_others_have(splits: TextSplits) -> None:
    """Held-out documents that were given, and that are word for word in the training or the test documents too."""
    set_apart: list[Split] = [split for split in ("test", "validation") if split not in splits.given]
    others = {text for split in ("train", *set_apart) for text in splits.texts(split)}
    for split in ("test", "validation"):
        documents = getattr(splits, split)
        texts = splits.texts(split)  # type: ignore[arg-type]
        if split in splits.given:
            kept = [number for number, text in enumerate(texts) if text not in others]
            if not kept:
                raise ValueError(
                    f"all {len(texts)} documents of data.{split} are in other splits too, so they would measure "
                    "nothing; give others, or leave the key out to set some apart"
                )
            setattr(splits, split, documents.select(kept))
            splits.reports[split]["num_in_other_splits"] = len(texts) - len(kept)
            splits.reports[split]["num_used"] = len(kept)
        others.update(texts)


def _beside(data: TextDataSection, split: str, built_in: Mapping[str, Any]) -> str | None:
    """`data.train` again where it is a folder with a subfolder of the split's name."""
    if data.train in built_in:
        return None
    return data.train if (Path(data.train) / split).is_dir() else None


def _read(
    data: TextDataSection,
    source: str,
    split: str,
    built_in: Mapping[str, Callable[[], "datasets.Dataset"]],
    keep_row: Callable[[dict[str, Any]], bool] | None,
) -> tuple["datasets.Dataset", dict[str, Any]]:
    """The documents of a source, and the account of what was left out."""
    if source in built_in:
        opened = built_in[source]()
    else:
        opened = open_text(source, split=split, unit=data.documents_of_txt, cache_dir=data.cache_dir)
    column = data.text_column
    if column not in opened.column_names:
        raise ValueError(
            f"data.text_column is {column!r}, and {source} has the columns {', '.join(opened.column_names)}; name one"
        )
    if keep_row is not None:
        opened = opened.select([number for number, row in enumerate(opened) if keep_row(row)])
    texts = [text if isinstance(text, str) else "" for text in opened[column]]
    full = [number for number, text in enumerate(texts) if text.strip()]
    kept, without_words = full, 0
    repeated = data.repeated or (data.repeated_in_train if split == "train" else "exact")
    if repeated != "keep":
        first = keep_first_of_each([texts[number] for number in full], near=repeated == "near")
        kept = [full[number] for number in first]
        without_words = sum(not has_words(texts[number]) for number in full)
    empty = sorted(set(range(len(texts))) - set(full))
    if not kept:
        raise ValueError(f"{source} holds no text in {len(texts)} documents; give data.{split} some")
    report = {
        **dict.fromkeys(_COUNTS, 0),
        "num_rows": len(texts),
        "num_used": len(kept),
        "num_repeated": len(full) - len(kept) - without_words,
        "num_without_words": without_words,
        "skipped": [{"file_name": f"document {number}", "reason": "no text"} for number in empty],
    }
    return opened.select(kept), report
