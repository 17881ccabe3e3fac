"""Token classification: labelled words → tokenizer → model → F1 of labels or entities, beside what words say alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoModelForTokenClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from heygen_hf.data.python_text.source_tokens import SOURCE_LABELS, load_source_tokens
from heygen_hf.data.text import TextCollator
from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.data.text.repetition import split_held_out
from heygen_hf.data.text.tokenization import load_tokenizer
from heygen_hf.evaluation.text_metrics import best_classes, token_classification_metrics
from heygen_hf.models.text_transformer import TextTransformerForTokenClassification
from heygen_hf.tasks.adapters import PeftSection, base_loading_options
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text.class_labels import config_of_classes, known_names, number_labels
from heygen_hf.tasks.text.classifier_class import classifier_class
from heygen_hf.tasks.text.row_lengths import cut_rows
from heygen_hf.tasks.text.text_files import open_text
from heygen_hf.tasks.text.text_model import TextModelSection, build_text_model, check_vocabulary
from heygen_hf.tasks.text.text_positions import check_length, most_positions
from heygen_hf.tasks.text.token_figures import measure_token_classifier
from heygen_hf.training import SupervisedTrainingArguments

if TYPE_CHECKING:
    import datasets

PYTHON_SOURCE = "python_source"

_USAGE = """\
import heygen_hf.models
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForTokenClassification.from_pretrained(FOLDER).eval()
words = ["def", "open", "(", "path", ")", ":", "return", "open", "(", "path", ")"]
encoded = tokenizer(words, is_split_into_words=True, return_tensors="pt")
with torch.no_grad():
    best = model(**encoded).logits[0].argmax(-1).tolist()
first_tokens = {word: place for place, word in reversed(list(enumerate(encoded.word_ids()))) if word is not None}
print([(word, model.config.id2label[best[first_tokens[number]]]) for number, word in enumerate(words)])
"""


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
class TokenEvaluationSection:
    """How the final figures are measured.

    Args:
        batch_size: rows at a time.
        baseline: also measure what the most frequent label of each word gives.
    """

    batch_size: int = 32
    baseline: bool = True


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


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Words, tokenizer and labels; the model is built when the story asks for it."""
    data, section = recipe.data, dict(recipe.model or {})
    pretrained = section.get("pretrained")
    model_class = classifier_class(
        TextTransformerForTokenClassification, AutoModelForTokenClassification, pretrained, does="labels tokens"
    )
    words = prepare_labelled_words(data, seed=recipe.seed, exported=exported)
    tokenizer = _tokenizer(data, words, exported=exported, pretrained=pretrained)
    check_vocabulary(section, tokenizer)
    if is_main:
        used = {split: f"{len(rows):,} rows" for split, rows in words.splits.items()}
        print(f"labelled words: {', '.join(f'{split} {said}' for split, said in used.items())}")
        for split, report in words.reports.items():
            if report["num_without_words"]:
                print(f"{split}: {report['num_without_words']:,} rows without words are left out")
    places = None
    if model_class is not TextTransformerForTokenClassification:
        places = most_positions(model_class, pretrained)
        check_length(data.max_length, field="data.max_length", places=places, pretrained=pretrained)
    for split, rows in words.splits.items():
        most = data.max_length if split == "train" else places
        kept, cut = cut_rows(rows, tokenizer, max_length=most, split=split)
        words.reports[split] |= cut
        if split != "train":  # of which the collator cuts, and the baseline reads all
            words.splits[split] = kept
        if is_main and cut["num_rows_cut"]:
            print(
                f"{split}: {cut['num_rows_cut']:,} rows are longer than {most} tokens: {cut['num_words_cut']:,} of "
                f"{words.reports[split]['num_words']:,} words are cut off with their labels"
            )

    def collator(max_length: int | None) -> TextCollator:
        return TextCollator(
            tokenizer,
            objective="token_classification",
            max_length=max_length,
            text_column="words",
            label_column="labels",
        )

    def build_model() -> PreTrainedModel:
        return build_text_model(
            model_class,
            section,
            tokenizer=tokenizer,
            max_length=data.max_length,
            loading=base_loading_options(recipe.peft),
            is_causal=False,
            **config_of_classes(words.class_names),
        )

    return TaskParts(
        model_class=model_class,
        build_model=build_model,
        train_dataset=words.splits["train"],
        eval_dataset=words.splits["validation"],
        collate=collator(data.max_length),
        eval_collate=collator(places),
        processors=[tokenizer],
        measure=lambda model: measure_token_classifier(
            model,
            words.splits["test"],
            collate=collator(places),
            class_names=words.class_names,
            batch_size=recipe.evaluation.batch_size,
            training_rows=words.splits["train"] if recipe.evaluation.baseline else None,
            unit="files" if data.train == PYTHON_SOURCE else "groups" if data.group_column else "rows",
        ),
        compute_metrics=token_classification_metrics(words.class_names),
        preprocess_logits_for_metrics=best_classes,
        data_name=data.train,
        reports=words.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=words.note,
    )


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


def _tokenizer(
    data: TokenDataSection, words: LabelledWords, *, exported: Path | None, pretrained: str | None
) -> PreTrainedTokenizerBase:
    if exported is not None:
        tokenizer = AutoTokenizer.from_pretrained(exported)
    elif data.tokenizer or pretrained:
        tokenizer = load_tokenizer(data.tokenizer or pretrained, ())
    else:
        train = chain.from_iterable(row["words"] for row in words.splits["train"])
        return build_byte_pair_tokenizer(train, vocab_size_limit=data.vocab_size_limit)
    if not tokenizer.is_fast:
        raise ValueError(
            f"the tokenizer {data.tokenizer or pretrained} cannot say which word a token is of; use one with a fast "
            "version (tokenizer.json)"
        )
    return tokenizer


def _source_note(account: Any) -> str:
    files: Mapping[str, int] = account.num_files
    return (
        f"Files of the Python standard library ({files['train']} to train on, {files['test']} held out). A word is a "
        "token of the file, cut to 40 characters; its label is what `tokenize` and `ast` say it is there. Line ends "
        "and indentation are left out. Held-out files share at most half of their runs of five words with the "
        f"training files; {account.num_repeated} held-out windows that were the same as training ones are left out"
    )


TASK = ModelTask(name="token_classification", build=build, pipeline_tag="token-classification")
run, evaluate, plan = TASK.run, TASK.evaluate, TASK.plan
SECTIONS = {
    "model": TextModelSection,
    "data": TokenDataSection,
    "training": SupervisedTrainingArguments,
    "evaluation": TokenEvaluationSection,
    "peft": PeftSection | None,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "build", "evaluate", "plan", "prepare_labelled_words", "run"]
