"""`compute_metrics` of `Trainer` for the tasks of a text model.

Example:
```python
>>> trainer = Trainer(model, arguments, ..., compute_metrics=token_classification_metrics(class_names),
...                   preprocess_logits_for_metrics=best_classes)
```
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import torch

from heygen_hf.evaluation.text_metrics.bleu import bleu
from heygen_hf.evaluation.text_metrics.entity_scores import are_entity_labels, entity_scores
from heygen_hf.evaluation.text_metrics.exact_match import exact_match
from heygen_hf.evaluation.text_metrics.label_scores import label_scores
from heygen_hf.evaluation.text_metrics.perplexity import perplexity_of_tokens
from heygen_hf.evaluation.text_metrics.rouge import rouge

if TYPE_CHECKING:
    from transformers import EvalPrediction, PreTrainedTokenizerBase

    ComputeMetrics = Callable[[EvalPrediction], dict[str, float]]

GenerationMetric = Literal["bleu", "rouge", "exact_match"]

IGNORED = -100


def best_classes(logits: torch.Tensor | tuple, labels: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """The class numbers, for `preprocess_logits_for_metrics`: scores of every word need not be kept."""
    return (logits[0] if isinstance(logits, tuple) else logits).argmax(-1)


def classification_metrics(class_names: Sequence[str], *, per_label: bool = False) -> "ComputeMetrics":
    """Metrics of one label a text: `accuracy`, `macro_f1`, and with `per_label` an `f1/NAME` for each.

    Predictions are scores `(texts, classes)` or class numbers `(texts,)`.
    """

    def compute_metrics(evaluated: "EvalPrediction") -> dict[str, float]:
        predicted, references = _classes(evaluated, dimensions=1)
        scores = label_scores(predicted, references, class_names=class_names)
        figures = {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1}
        return figures | _per_label(scores.per_label if per_label else {})

    return compute_metrics


def token_classification_metrics(class_names: Sequence[str], *, per_label: bool = False) -> "ComputeMetrics":
    """Metrics of one label a word: `accuracy`, `micro_f1` and `macro_f1`; for a BIO scheme's labels also those of
    entities: `precision`, `recall`, `f1` and, with `per_label`, an `f1/KIND` for each kind.

    Predictions are scores `(texts, tokens, classes)` or class numbers `(texts, tokens)`; references are -100 where a
    token has no label of its own.
    """
    of_entities = are_entity_labels(class_names)

    def compute_metrics(evaluated: "EvalPrediction") -> dict[str, float]:
        predicted, references = _classes(evaluated, dimensions=2)
        scores = label_scores(predicted, references, class_names=class_names)
        figures = {"accuracy": scores.accuracy, "micro_f1": scores.micro_f1, "macro_f1": scores.macro_f1}
        if not of_entities:
            return figures | _per_label(scores.per_label if per_label else {})
        named_pairs = [
            ([class_names[number] for number in row[kept]], [class_names[number] for number in wanted[kept]])
            for row, wanted, kept in zip(predicted, references, references != IGNORED, strict=True)
        ]
        entities = entity_scores([pair[0] for pair in named_pairs], [pair[1] for pair in named_pairs])
        figures |= {"precision": entities.precision, "recall": entities.recall, "f1": entities.f1}
        return figures | _per_label(entities.per_kind if per_label else {})

    return compute_metrics


def generation_metrics(
    tokenizer: "PreTrainedTokenizerBase",
    *,
    metrics: Sequence[GenerationMetric] = ("bleu", "rouge", "exact_match"),
    max_ngram: int = 4,
) -> "ComputeMetrics":
    """Metrics of generated texts: `bleu`, `rouge1`, `rouge2`, `rougeL`, `exact_match`, those asked for.

    Predictions are token ids `(texts, tokens)`, such as `generate` gives without the prompt; -100, which Trainer pads
    with, reads as padding. Special tokens are left out of both texts.

    Args:
        max_ngram: BLEU's longest n-grams; less than 4 for captions of a few words.

    Raises:
        ValueError: an unknown metric, or a tokenizer without a padding token.
    """
    unknown = [name for name in metrics if name not in get_args(GenerationMetric)]
    if unknown or not metrics:
        raise ValueError(f"metrics are {list(metrics)}; expected some of {', '.join(get_args(GenerationMetric))}")
    if tokenizer.pad_token_id is None:
        raise ValueError("the tokenizer has no padding token; set its pad_token")

    def texts(token_ids: np.ndarray) -> list[str]:
        numbers = np.where(token_ids == IGNORED, tokenizer.pad_token_id, token_ids)
        return [text.strip() for text in tokenizer.batch_decode(numbers.tolist(), skip_special_tokens=True)]

    def compute_metrics(evaluated: "EvalPrediction") -> dict[str, float]:
        predicted = _first(evaluated.predictions)
        if predicted.ndim != 2:
            raise ValueError(
                f"predictions have shape {predicted.shape}; expected token ids (texts, tokens): evaluate what "
                "`generate` gives, not scores"
            )
        predictions, references = texts(predicted), texts(_first(evaluated.label_ids))
        figures: dict[str, float] = {}
        if "bleu" in metrics:
            figures["bleu"] = bleu(predictions, references, max_ngram=max_ngram)
        if "rouge" in metrics:
            figures |= rouge(predictions, references)
        if "exact_match" in metrics:
            figures["exact_match"] = exact_match(predictions, references)
        return figures

    return compute_metrics


def language_modeling_metrics() -> "ComputeMetrics":
    """`perplexity`, `mean_loss` and `num_tokens`; needs `preprocess_logits_for_metrics=token_losses`."""

    def compute_metrics(evaluated: "EvalPrediction") -> dict[str, float]:
        losses = _first(evaluated.predictions)
        if losses.ndim != 2:
            raise ValueError(
                f"predictions have shape {losses.shape}; expected losses (texts, tokens): give Trainer "
                "preprocess_logits_for_metrics=token_losses"
            )
        return perplexity_of_tokens(losses)

    return compute_metrics


def _classes(evaluated: "EvalPrediction", *, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers of predictions and references, each of so many dimensions."""
    predicted, references = _first(evaluated.predictions), _first(evaluated.label_ids)
    if predicted.ndim == dimensions + 1:
        predicted = predicted.argmax(-1)
    if predicted.ndim != dimensions or references.shape != predicted.shape:
        layout = "(texts,)" if dimensions == 1 else "(texts, tokens)"
        raise ValueError(
            f"predictions have shape {predicted.shape} and references {references.shape}; expected {layout}, with "
            "a last dimension of classes where predictions are scores"
        )
    return predicted, references


def _first(arrays: np.ndarray | tuple) -> np.ndarray:
    """A model's first output, or its only one."""
    return np.asarray(arrays[0] if isinstance(arrays, tuple) else arrays)


def _per_label(scores: dict) -> dict[str, float]:
    return {f"f1/{name}": score.f1 for name, score in scores.items()}
