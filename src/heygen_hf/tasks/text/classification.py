"""Text classification: labelled texts → tokenizer → model → accuracy and F1, beside TF-IDF with logistic regression."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from transformers import AutoModelForSequenceClassification, PreTrainedModel

from heygen_hf.data.python_text import load_python_documents
from heygen_hf.data.text import TextCollator
from heygen_hf.data.text.documents import put_around
from heygen_hf.evaluation.text_metrics import classification_metrics
from heygen_hf.models.text_transformer import TextTransformerForSequenceClassification
from heygen_hf.tasks.adapters import PeftSection, base_loading_options
from heygen_hf.tasks.model_training import HubSection, ModelTask, TaskParts
from heygen_hf.tasks.recipe import Recipe
from heygen_hf.tasks.text.class_folders import has_class_folders, open_class_folders
from heygen_hf.tasks.text.class_labels import IGNORED, config_of_classes, known_names, number_labels
from heygen_hf.tasks.text.classifier_class import classifier_class
from heygen_hf.tasks.text.text_data import Repeated, TextDataSection, TextSplits, prepare_text_splits, text_tokenizer
from heygen_hf.tasks.text.text_figures import measure_text_classifier, tfidf_baseline
from heygen_hf.tasks.text.text_model import TextModelSection, build_text_model, check_vocabulary
from heygen_hf.tasks.text.text_positions import check_length, most_positions
from heygen_hf.tasks.text.text_views import TextViews
from heygen_hf.training import SupervisedTrainingArguments

if TYPE_CHECKING:
    import datasets

PYTHON_DOCSTRINGS = "python_docstrings"

_SPLITS = ("train", "validation", "test")

_USAGE = """\
import heygen_hf.models
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForSequenceClassification.from_pretrained(FOLDER).eval()
encoded = tokenizer("Return the number of days in a month.", return_tensors="pt")
with torch.no_grad():
    shares = model(**encoded).logits[0].softmax(-1)
best = shares.argmax().item()
print(model.config.id2label[best], shares[best].item())
"""


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
class ClassificationEvaluationSection:
    """How the final figures are measured.

    Args:
        batch_size: texts at a time.
        baseline: also fit TF-IDF with logistic regression on the training texts (some seconds).
    """

    batch_size: int = 32
    baseline: bool = True


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


def build(recipe: Recipe, *, exported: Path | None, is_main: bool) -> TaskParts:
    """Texts, tokenizer and labels; the model is built when the story asks for it."""
    data, section = recipe.data, dict(recipe.model or {})
    pretrained = section.get("pretrained")
    model_class = classifier_class(
        TextTransformerForSequenceClassification,
        AutoModelForSequenceClassification,
        pretrained,
        does="classifies texts",
    )
    labelled = prepare_labelled_texts(data, seed=recipe.seed, exported=exported)
    class_names = labelled.class_names
    tokenizer = text_tokenizer(data, labelled.splits, exported=exported, pretrained=pretrained)
    check_vocabulary(section, tokenizer)
    if model_class is not TextTransformerForSequenceClassification:
        places = most_positions(model_class, pretrained)
        for name in ("max_length", "max_length_in_evaluation"):
            check_length(getattr(data, name), field=f"data.{name}", places=places, pretrained=pretrained)
    if is_main:
        for line in labelled.splits.left_out():
            print(line)
        used = ", ".join(f"{split} {len(texts):,}" for split, texts in labelled.texts.items())
        print(f"labelled texts: {used}, in {len(class_names)} classes")
    before, after = put_around(tokenizer)
    bodies = {
        split: tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        for split, texts in labelled.texts.items()
    }
    room = data.max_length_in_evaluation - len(before) - len(after)
    for split in ("validation", "test"):
        num_cut = sum(len(body) > room for body in bodies[split])
        labelled.splits.reports[split]["num_cut"] = num_cut
        if is_main and num_cut:
            print(
                f"{split}: of {num_cut:,} texts the end is cut off, after data.max_length_in_evaluation="
                f"{data.max_length_in_evaluation} tokens"
            )
    items = {
        split: [
            {"input_ids": [*before, *body[:room], *after], "label": label}
            for body, label in zip(bodies[split], labelled.labels[split], strict=True)
        ]
        for split in ("validation", "test")
    }
    counted = [number for number, label in enumerate(labelled.labels["train"]) if label != IGNORED]
    collate = TextCollator(tokenizer, objective="sequence_classification")

    def build_model() -> PreTrainedModel:
        return build_text_model(
            model_class,
            section,
            tokenizer=tokenizer,
            max_length=data.max_length_in_evaluation,
            loading=base_loading_options(recipe.peft),
            is_causal=False,
            problem_type="single_label_classification",
            **config_of_classes(class_names),
        )

    def measure(model: PreTrainedModel) -> list:
        texts, labels = labelled.texts, labelled.labels
        return measure_text_classifier(
            model,
            items["test"],
            collate=collate,
            class_names=class_names,
            training_labels=labels["train"],
            batch_size=recipe.evaluation.batch_size,
            baseline=tfidf_baseline(
                (texts["train"], labels["train"]), (texts["validation"], labels["validation"]), texts["test"]
            )
            if recipe.evaluation.baseline
            else None,
        )

    return TaskParts(
        model_class=model_class,
        build_model=build_model,
        train_dataset=TextViews(
            [bodies["train"][number] for number in counted],
            [labelled.labels["train"][number] for number in counted],
            before=before,
            after=after,
            max_length=data.max_length,
            crop_share=data.crop_share,
            token_dropout=data.token_dropout,
            seed=recipe.seed,
        ),
        eval_dataset=[item for item in items["validation"] if item["label"] != IGNORED],
        collate=collate,
        processors=[tokenizer],
        measure=measure,
        compute_metrics=classification_metrics(class_names),
        data_name=data.train,
        reports=labelled.splits.reports,
        num_workers=data.num_workers,
        usage=_USAGE,
        data_note=_note(data, labelled),
    )


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


def _note(data: ClassificationDataSection, labelled: LabelledTexts) -> str | None:
    if data.train != PYTHON_DOCSTRINGS:
        return None
    counts = Counter(labelled.labels["train"])
    fewest, most = min(counts.values()), max(counts.values())
    return (
        f"Docstrings of the Python standard library's {len(labelled.class_names)} top-level modules with the most of "
        f"them ({fewest} to {most} training docstrings each). Near duplicates are left out first; no held-out "
        "docstring shares more than half of its runs of five words with the training docstrings"
    )


TASK = ModelTask(name="text_classification", build=build, pipeline_tag="text-classification")
run, evaluate, plan = TASK.run, TASK.evaluate, TASK.plan
SECTIONS = {
    "model": TextModelSection,
    "data": ClassificationDataSection,
    "training": SupervisedTrainingArguments,
    "evaluation": ClassificationEvaluationSection,
    "peft": PeftSection | None,
    "hub": HubSection,
}

__all__ = ["SECTIONS", "TASK", "build", "docstrings_by_module", "evaluate", "plan", "prepare_labelled_texts", "run"]
