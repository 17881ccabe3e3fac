"""Words with their labels: where they are, which are held out, and how labels become numbers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heygen_hf.data.python_text.source_labels import SOURCE_LABELS
from heygen_hf.data.python_text.source_tokens import load_source_tokens
from heygen_hf.data.text.repetition import split_held_out
from heygen_hf.tasks.text.class_labels import known_names, number_labels
from heygen_hf.tasks.text.text_files import open_text

if TYPE_CHECKING:
    import datasets


PYTHON_SOURCE = "python_source"


@dataclass(kw_only=True)
class TokenDataSection:
    """Where the labelled words are.

    Args:
        train: `python_source` (the standard library's files, labelled by what each word is there), or a .jsonl, .json
            or .parquet file, a folder of these, or a data set of the Hub, with a list of words and a list of labels
            in every row.
        validation, test: the same for the validation loss and the final figures; by default a share of the training
            rows.
        words_column, labels_column: their names. Labels are names (plain, or of a BIO scheme) or class numbers; -100
            is a word that does not count.
        class_names: names in the order of the class numbers; by default the data set's own, or the training labels.
        group_column: rows that belong together, such as those of one file: no split shares a group, and intervals
            are over groups. By default each row is its own.
        validation_share, test_share: of the groups.
        tokenizer: name or folder of a tokenizer; by default byte pairs are learned from the training words.
        vocab_size_limit: the most tokens of that vocabulary.
        max_length: tokens of a row in training, the rest of it is cut off; nothing is cut off in evaluation, but for
            what a pretrained model has no positions for.
        max_words: of a row of `python_source`.
        max_files: at most so many files of `python_source`; None for all.
        num_workers: data loader workers.
    """

    train: str = PYTHON_SOURCE
    validation: str | None = None
    test: str | None = None
    words_column: str = "words"
    labels_column: str = "labels"
    class_names: list[str] | None = None
    group_column: str | None = None
    validation_share: float = 0.04
    test_share: float = 0.1
    tokenizer: str | None = None
    vocab_size_limit: int = 4096
    max_length: int = 384
    max_words: int = 128
    max_files: int | None = None
    num_workers: int = 0

    def __post_init__(self) -> None:
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a share between 0 and 1, such as 0.05")
        for name in ("max_length", "max_words"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 2")


@dataclass(kw_only=True)
class LabelledWords:
    """Rows of every split.

    Attributes:
        splits: "train", "validation" and "test", each row with `words`, `labels` (class numbers) and `group`.
        class_names: in the order of their numbers.
        reports: split → account of its rows.
        note: what a reader of the card must know.
    """

    splits: dict[str, list[dict[str, Any]]]
    class_names: list[str]
    reports: dict[str, dict[str, Any]]
    note: str | None = None

    def training_words(self) -> Iterator[str]:
        """Of all training rows, one after the other."""
        return chain.from_iterable(row["words"] for row in self.splits["train"])


def prepare_labelled_words(data: TokenDataSection, *, seed: int, exported: Path | None = None) -> LabelledWords:
    """Open the rows, check them, and hold out what the recipe has no split for.

    Raises:
        ValueError: no rows, words and labels of different lengths, or labels that `number_labels` refuses.
    """
    opened: dict[str, datasets.Dataset] = {}
    note, group = None, data.group_column
    words_column, labels_column = data.words_column, data.labels_column
    if data.train == PYTHON_SOURCE:
        if data.validation is not None or data.test is not None:
            raise ValueError(
                f"data.train={PYTHON_SOURCE} holds out files of its own; leave data.validation and data.test out"
            )
        words_column, labels_column, group = "words", "labels", "file"
        source, account = load_source_tokens(
            max_words=data.max_words, held_out_share=data.test_share, seed=seed, max_files=data.max_files
        )
        opened = dict(source)
        note = _source_note(account)
        names: list[str] | None = list(SOURCE_LABELS)
    else:
        for split in ("train", "validation", "test"):
            where = getattr(data, split)
            if where is not None:
                opened[split] = open_text(where, split=split)
        names = known_names(labels_column, opened["train"], given=data.class_names, exported=exported)
    rows, without_words = {}, {}
    for split, dataset in opened.items():
        rows[split], without_words[split] = _rows(dataset, words_column, labels_column, group, split=split)
    for split in ("test", "validation"):
        if split not in rows:
            share = getattr(data, f"{split}_share")
            rows["train"], rows[split] = _hold_out(rows["train"], share=share, seed=seed, split=split)
    flat = {split: [label for row in each for label in row["labels"]] for split, each in rows.items()}
    class_names, numbered = number_labels(flat, column=labels_column, class_names=names)
    for split, each in rows.items():
        numbers = iter(numbered[split])
        for row in each:
            row["labels"] = [next(numbers) for _ in row["words"]]
    reports: dict[str, dict[str, Any]] = {
        split: {
            "num_rows": len(each) + len(without_words.get(split, ())),
            "num_used": len(each),
            "num_without_words": len(without_words.get(split, ())),
            "num_words": len(flat[split]),
            "num_groups": len({row["group"] for row in each}),
            "skipped": [
                {"file_name": f"row {number}", "reason": "no words"} for number in without_words.get(split, ())
            ],
        }
        for split, each in rows.items()
    }
    if data.train == PYTHON_SOURCE:
        reports["train"]["skipped"] = [{"file_name": name, "reason": reason} for name, reason in account.skipped]
    order = ("train", "validation", "test")
    return LabelledWords(
        splits={split: rows[split] for split in order},
        class_names=class_names,
        reports={split: reports[split] for split in order},
        note=note,
    )


def _rows(
    dataset: "datasets.Dataset", words_column: str, labels_column: str, group_column: str | None, *, split: str
) -> tuple[list[dict[str, Any]], list[int]]:
    """The rows with words, and the numbers of those without."""
    for name, column in (("words", words_column), ("labels", labels_column), ("group", group_column)):
        if column is not None and column not in dataset.column_names:
            raise ValueError(
                f"data.{name}_column is {column!r}, and the {split} split has the columns "
                f"{', '.join(dataset.column_names)}; name one"
            )
    rows, empty = [], []
    groups = range(len(dataset)) if group_column is None else dataset[group_column]
    columns = zip(dataset[words_column], dataset[labels_column], groups, strict=True)
    for number, (words, labels, group) in enumerate(columns):
        if not isinstance(words, list) or not isinstance(labels, list):
            raise ValueError(
                f"row {number} of the {split} split has {type(words).__name__} in {words_column!r} and "
                f"{type(labels).__name__} in {labels_column!r}; expected a list of words and a list of labels"
            )
        if len(words) != len(labels):
            raise ValueError(
                f"row {number} of the {split} split has {len(words)} words and {len(labels)} labels; expected one "
                "label for each word"
            )
        if words:
            rows.append({"words": [str(word) for word in words], "labels": list(labels), "group": str(group)})
        else:
            empty.append(number)
    if not rows:
        raise ValueError(f"the {split} split has no words in {words_column!r}; check the data")
    return rows, empty


def _hold_out(
    rows: list[dict[str, Any]], *, share: float, seed: int, split: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Whole groups, none of them mostly a copy of what is trained on."""
    texts: dict[str, list[str]] = {}
    for row in rows:
        texts.setdefault(row["group"], []).extend(row["words"])
    names = list(texts)
    kept, held_out = split_held_out(
        [" ".join(words) for words in texts.values()], share=share, seed=seed + (split == "validation")
    )
    if not kept or not held_out:
        lacking = "to hold out" if kept else "to train on"
        raise ValueError(
            f"data.{split}_share={share} of {len(names)} groups of rows leaves nothing {lacking} (groups "
            f"that are mostly a copy of others stay with them); name a data.{split}, or change the share"
        )
    apart = {names[number] for number in held_out}
    return [row for row in rows if row["group"] not in apart], [row for row in rows if row["group"] in apart]


def _source_note(account: Any) -> str:
    files: Mapping[str, int] = account.num_files
    return (
        f"Files of the Python standard library ({files['train']} to train on, {files['test']} held out). A word is a "
        "token of the file, cut to 40 characters; its label is what `tokenize` and `ast` say it is there. Line ends "
        "and indentation are left out. Held-out files share at most half of their runs of five words with the "
        f"training files; {account.num_repeated} held-out windows that were the same as training ones are left out"
    )
