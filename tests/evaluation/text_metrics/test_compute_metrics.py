"""The factories, as `Trainer` calls what they make."""

import math
from itertools import chain

import numpy as np
import pytest
import torch
from transformers import EvalPrediction, Trainer, TrainingArguments

from heygen_hf.data import build_tokenizer
from heygen_hf.evaluation.text_metrics import (
    best_classes,
    classification_metrics,
    generation_metrics,
    language_modeling_metrics,
    token_classification_metrics,
    token_losses,
)
from heygen_hf.models.text_transformer import (
    TextTransformerConfig,
    TextTransformerForCausalLM,
    TextTransformerForTokenClassification,
)


def test_classification_from_scores_and_from_classes() -> None:
    scores = np.array([[2.0, 1.0], [0.0, 3.0], [0.0, 3.0], [0.0, 3.0]])
    references = np.array([0, 0, 1, 1])
    compute = classification_metrics(["cat", "dog"], per_label=True)
    figures = compute(EvalPrediction(predictions=(scores, scores), label_ids=references))
    assert figures["accuracy"] == 0.75
    assert figures["f1/dog"] == pytest.approx(0.8)
    assert figures == compute(EvalPrediction(predictions=scores.argmax(-1), label_ids=references))
    with pytest.raises(ValueError, match=r"expected \(texts,\)"):
        compute(EvalPrediction(predictions=scores, label_ids=references[:2]))


def test_token_classification_of_entities() -> None:
    names = ["O", "B-a", "I-a"]
    references = np.array([[1, -100, 2, 0], [0, 1, -100, -100]])  # a word's second token, and padding, have no label
    predictions = np.array([[1, 0, 2, 0], [1, 0, 1, 1]])
    figures = token_classification_metrics(names)(EvalPrediction(predictions=predictions, label_ids=references))
    assert figures["accuracy"] == 3 / 5
    # Wanted: a 0-2 of the first, a 1-2 of the second; found: the first, and a 0-1 of the second.
    assert (figures["precision"], figures["recall"], figures["f1"]) == (0.5, 0.5, 0.5)


def test_token_classification_of_plain_labels() -> None:
    compute = token_classification_metrics(["name", "number"], per_label=True)
    figures = compute(EvalPrediction(predictions=np.array([[0, 1, 1]]), label_ids=np.array([[0, 1, 0]])))
    assert set(figures) == {"accuracy", "micro_f1", "macro_f1", "f1/name", "f1/number"}


def test_generated_ids_are_decoded_without_padding() -> None:
    tokenizer = build_tokenizer(["a red 7 moves left", "a blue 3 moves up"])
    ids = [tokenizer(text)["input_ids"] for text in ("a red 7 moves left", "a blue 3 moves up", "a red 3 moves up")]
    predictions = np.array([[*ids[0], -100], [*ids[1], tokenizer.pad_token_id]])
    references = np.array([[*ids[0], -100], [*ids[2], -100]])
    figures = generation_metrics(tokenizer)(EvalPrediction(predictions=predictions, label_ids=references))
    assert figures["exact_match"] == 0.5
    assert figures["rouge1"] == pytest.approx((1 + 4 / 5) / 2)
    assert set(figures) == {"bleu", "rouge1", "rouge2", "rougeL", "exact_match"}
    only = generation_metrics(tokenizer, metrics=["exact_match"])
    assert only(EvalPrediction(predictions=predictions, label_ids=references)) == {"exact_match": 0.5}
    with pytest.raises(ValueError, match="not scores"):
        only(EvalPrediction(predictions=np.zeros((2, 3, 9)), label_ids=references))
    with pytest.raises(ValueError, match=r"metrics are \['blue'\]"):
        generation_metrics(tokenizer, metrics=["blue"])


def _trainer(tmp_path, model, **options) -> Trainer:
    arguments = TrainingArguments(
        str(tmp_path), per_device_eval_batch_size=2, report_to=[], use_cpu=True, disable_tqdm=True
    )
    return Trainer(model, arguments, **options)


def test_in_trainer(tmp_path) -> None:
    """Batches of different lengths: what Trainer pads while it gathers counts nowhere."""
    torch.manual_seed(0)
    sizes = {"vocab_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    texts = [
        {"input_ids": torch.arange(length) % 8, "labels": torch.arange(length) % 3} for length in (5, 5, 3, 3, 2, 2)
    ]
    tagger = TextTransformerForTokenClassification(TextTransformerConfig(**sizes, num_labels=3, is_causal=False))
    trainer = _trainer(
        tmp_path,
        tagger,
        compute_metrics=token_classification_metrics(["x", "y", "z"]),
        preprocess_logits_for_metrics=best_classes,
    )
    figures = trainer.evaluate(texts)
    right = [(tagger(text["input_ids"][None]).logits.argmax(-1)[0] == text["labels"]).tolist() for text in texts]
    assert figures["eval_accuracy"] == pytest.approx(np.mean(list(chain(*right))))

    model = TextTransformerForCausalLM(TextTransformerConfig(**sizes))
    trainer = _trainer(
        tmp_path,
        model,
        compute_metrics=language_modeling_metrics(),
        preprocess_logits_for_metrics=token_losses,
    )
    figures = trainer.evaluate([{"input_ids": text["input_ids"], "labels": text["input_ids"]} for text in texts])
    losses = [model(text["input_ids"][None], labels=text["input_ids"][None]).loss.item() for text in texts]
    weights = [len(text["labels"]) - 1 for text in texts]
    assert figures["eval_num_tokens"] == sum(weights)
    assert math.log(figures["eval_perplexity"]) == pytest.approx(np.average(losses, weights=weights), rel=1e-4)
