"""The figures of a text classifier, beside those of the most frequent class and of TF-IDF with logistic regression."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from heygen_hf.evaluation.text_metrics import LabelScores, cluster_bootstrap_interval, label_scores
from heygen_hf.hub import MetricResult
from heygen_hf.tasks.model_training import share_figure

IGNORED = -100

_WORD = re.compile(r"\b\w\w+\b")  # what scikit-learn takes for one

# What the baseline may be: the best on the validation texts is measured. Weak regularisation suits short texts.
_NGRAMS_AND_STRENGTHS = ((1, 10.0), (1, 100.0), (2, 100.0))


def measure_text_classifier(
    model: PreTrainedModel,
    items: Sequence[dict[str, Any]],
    *,
    collate: Callable[[list[Any]], dict[str, torch.Tensor]],
    class_names: Sequence[str],
    training_labels: Sequence[int],
    batch_size: int = 32,
    baseline: Sequence[int] | None = None,
) -> list[MetricResult]:
    """Accuracy and macro F1 of the model, the majority class and the baseline.

    Args:
        items: `input_ids` and `label`.
        training_labels: for the majority class.
        baseline: another classifier's predictions for the items.
    """
    references = np.array([item["label"] for item in items])
    kept = references != IGNORED
    predicted = predict_classes(model, items, collate=collate, batch_size=batch_size)
    scores = label_scores(predicted, references, class_names=class_names)
    worst = sorted(scores.per_label.items(), key=lambda entry: entry[1].f1)[:3]
    said = ", ".join(f"{name} {score.f1:.2f}" for name, score in worst)
    figures = _figures(predicted[kept], references[kept], scores, group=None, note=f"worst classes by F1: {said}")
    counted = np.array([label for label in training_labels if label != IGNORED])
    majority = int(np.bincount(counted).argmax())
    figures.append(
        share_figure(
            "accuracy",
            int((references[kept] == majority).sum()),
            int(kept.sum()),
            group=f"baseline: always {class_names[majority]}",
            is_baseline=True,
        )
    )
    if baseline is not None:
        guessed = np.array(baseline)
        right, other = predicted[kept] == references[kept], guessed[kept] == references[kept]
        note = (
            f"{int((right & ~other).sum())} texts are right by the model alone, {int((other & ~right).sum())} by the "
            "baseline alone"
        )
        named = "baseline: TF-IDF and logistic regression"
        others = label_scores(guessed, references, class_names=class_names)
        figures += _figures(guessed[kept], references[kept], others, group=named, note=note, is_baseline=True)
    return figures


@torch.no_grad()
def predict_classes(
    model: PreTrainedModel,
    items: Sequence[dict[str, Any]],
    *,
    collate: Callable[[list[Any]], dict[str, torch.Tensor]],
    batch_size: int,
) -> np.ndarray:
    """A class number for each text."""
    by_length = sorted(range(len(items)), key=lambda number: len(items[number]["input_ids"]))
    predicted = np.zeros(len(items), dtype=np.int64)
    for start in range(0, len(items), batch_size):
        numbers = by_length[start : start + batch_size]
        batch = collate([items[number] for number in numbers])
        batch.pop("labels")
        logits = model(**{name: values.to(model.device) for name, values in batch.items()}).logits
        predicted[numbers] = logits.argmax(-1).cpu().numpy()
    return predicted


def tfidf_baseline(
    training: tuple[Sequence[str], Sequence[int]],
    validation: tuple[Sequence[str], Sequence[int]],
    texts: Sequence[str],
) -> list[int]:
    """Class numbers by TF-IDF and logistic regression, word n-grams and regularisation chosen on the validation texts.

    Args:
        training, validation: texts with their class numbers, -100 for one that does not count.
        texts: to be classified.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train_texts, train_labels = _counted(training)
    validation_texts, validation_labels = _counted(validation)
    # Where no text has a word of two letters, as where each is an emoji, characters stand for words.
    unit = "word" if any(_WORD.search(text) for text in train_texts) else "char"
    best: tuple[float, list[int]] | None = None
    for longest, strength in _NGRAMS_AND_STRENGTHS:
        # A word alone is enough, and punctuation is none: texts without any give an empty row.
        vectorizer = TfidfVectorizer(analyzer=unit, ngram_range=(1, longest), sublinear_tf=True)
        features = vectorizer.fit_transform(train_texts)
        classifier = LogisticRegression(C=strength, max_iter=500).fit(features, train_labels)
        share = float(np.mean(classifier.predict(vectorizer.transform(validation_texts)) == validation_labels))
        if best is None or share > best[0]:
            best = (share, classifier.predict(vectorizer.transform(texts)).tolist())
    assert best is not None
    return best[1]


def _counted(labelled: tuple[Sequence[str], Sequence[int]]) -> tuple[list[str], np.ndarray]:
    pairs = [(text, label) for text, label in zip(*labelled, strict=True) if label != IGNORED]
    return [text for text, _ in pairs], np.array([label for _, label in pairs])


def _figures(
    predicted: np.ndarray,
    references: np.ndarray,
    scores: LabelScores,
    *,
    group: str | None,
    note: str,
    is_baseline: bool = False,
) -> list[MetricResult]:
    num_classes = int(max(predicted.max(), references.max())) + 1
    # One row a text: [right, predicted, wanted] for each class.
    counts = np.zeros((len(references), 3, num_classes))
    texts = np.arange(len(references))
    counts[texts, 1, predicted] = counts[texts, 2, references] = 1
    counts[texts, 0, references] = predicted == references
    between = cluster_bootstrap_interval(counts, _macro_f1) if len(references) > 1 else None
    return [
        share_figure("accuracy", scores.correct, scores.count, group=group, note=note, is_baseline=is_baseline),
        MetricResult(
            name="macro F1",
            value=scores.macro_f1,
            count=scores.count,
            interval=between,
            group=group,
            note="interval over texts, drawn anew",
            metric_type="f1",
            is_baseline=is_baseline,
        ),
    ]


def _macro_f1(counts: np.ndarray) -> float:
    right, predicted, wanted = counts
    occurs = predicted + wanted > 0
    return float((2 * right[occurs] / (predicted + wanted)[occurs]).mean())
