"""Wrong options, tokenizers and labels are named before the first step."""

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError

from heygen_hf.models.text_transformer import (
    TextTransformerForCausalLM,
    TextTransformerForSequenceClassification,
    TextTransformerForTokenClassification,
    TextTransformerModel,
)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 30}, r"hidden_size=30 is not a multiple of 2 \* num_attention_heads=8"),
        ({"hidden_size": 36}, "every head needs the same, even size"),
        ({"num_key_value_heads": 3}, "num_attention_heads=4 is not a multiple of num_key_value_heads=3"),
        ({"num_key_value_heads": 0}, "num_key_value_heads=0 must be at least 1"),
        ({"vocab_size": 0, "pad_token_id": None}, "vocab_size=0 must be at least 1"),
        ({"pad_token_id": 24}, r"pad_token_id=24 is outside \[0, vocab_size=24\)"),
        ({"classifier_pooling": "first"}, "reads nothing but the first token in a causal model"),
        ({"attention_dropout": 1.0}, r"attention_dropout=1.0 must lie in \[0, 1\)"),
    ],
)
def test_inconsistent_options_are_refused(tiny_config, options, message) -> None:
    with pytest.raises(StrictDataclassClassValidationError, match=message):
        tiny_config(**options)


def test_a_bidirectional_language_model_is_refused(tiny_config) -> None:
    with pytest.raises(ValueError, match="set is_causal=True"):
        TextTransformerForCausalLM(tiny_config(is_causal=False))


@pytest.mark.parametrize("token", [24, -1])
def test_a_token_outside_the_vocabulary_is_named(scrambled, token) -> None:
    ids = torch.tensor([[1, 2, token]])
    with pytest.raises(ValueError, match=rf"token id {token} is outside \[0, vocab_size=24\).*resize_token_embeddings"):
        scrambled(TextTransformerModel)(ids)
    with pytest.raises(ValueError, match=f"token id {token}"):
        scrambled(TextTransformerForCausalLM).generate(ids, max_new_tokens=2, attention_mask=torch.ones_like(ids))


def test_a_larger_tokenizer_fits_after_resizing(scrambled) -> None:
    model = scrambled(TextTransformerForCausalLM)
    model.resize_token_embeddings(30)
    assert model(torch.tensor([[1, 29]]), labels=torch.tensor([[1, 29]])).loss.isfinite()
    assert model.lm_head.weight is model.get_input_embeddings().weight


@pytest.mark.parametrize(
    ("model_class", "label", "message"),
    [
        (TextTransformerForCausalLM, 24, r"label 24 is outside \[0, vocab_size=24\)"),
        (TextTransformerForCausalLM, -1, r"label -1 is outside \[0, vocab_size=24\)"),
        (TextTransformerForTokenClassification, 3, r"label 3 is outside \[0, num_labels=3\)"),
        (TextTransformerForTokenClassification, -2, r"label -2 is outside \[0, num_labels=3\)"),
    ],
)
def test_a_label_out_of_range_is_named(scrambled, token_ids, model_class, label, message) -> None:
    labels = torch.tensor([[0, 1, 2, label]])
    with pytest.raises(ValueError, match=message):
        scrambled(model_class, num_labels=3)(token_ids(1, 4), labels=labels)


@pytest.mark.parametrize("label", [3, -1])
def test_a_class_out_of_range_is_named(scrambled, token_ids, label) -> None:
    model = scrambled(TextTransformerForSequenceClassification, num_labels=3)
    with pytest.raises(ValueError, match=rf"label {label} is outside \[0, num_labels=3\)"):
        model(token_ids(2, 4), labels=torch.tensor([0, label]))


@pytest.mark.parametrize("model_class", [TextTransformerForCausalLM, TextTransformerForTokenClassification])
def test_no_target_at_all_is_an_error_but_in_one_part_of_a_step(scrambled, token_ids, model_class) -> None:
    model, ids = scrambled(model_class, num_labels=3), token_ids(2, 4)
    labels = torch.full_like(ids, -100)
    with pytest.raises(ValueError, match=r"targets of the batch are -100.*nothing to learn"):
        model(ids, labels=labels)
    with pytest.raises(ValueError, match="nothing to learn"):
        model(ids, labels=labels, num_items_in_batch=torch.tensor(0))
    assert model(ids, labels=labels, num_items_in_batch=torch.tensor(5)).loss == 0


def test_no_target_but_the_first_token_is_an_error(scrambled, token_ids) -> None:
    labels = torch.tensor([[3, -100, -100]])
    with pytest.raises(ValueError, match="nothing to learn"):  # nothing before the first token predicts it
        scrambled(TextTransformerForCausalLM)(token_ids(1, 3), labels=labels)
    with pytest.raises(ValueError, match="nothing to learn"):
        scrambled(TextTransformerForSequenceClassification)(token_ids(2, 3), labels=torch.tensor([-100, -100]))


@pytest.mark.parametrize(
    ("model_class", "options", "labels", "message"),
    [
        (TextTransformerForCausalLM, {}, torch.zeros(2, 3, dtype=torch.long), r"shape \(2, 3\); expected \(2, 4\)"),
        (TextTransformerForTokenClassification, {}, torch.zeros(2, dtype=torch.long), "one label a token"),
        (TextTransformerForSequenceClassification, {"num_labels": 3}, torch.zeros(3).long(), "one label a text"),
        (TextTransformerForSequenceClassification, {"num_labels": 3}, torch.zeros(2), r"expected \(2, 3\)"),
        (TextTransformerForSequenceClassification, {"num_labels": 1}, torch.zeros(1), r"expected \(2,\)"),
    ],
)
def test_labels_of_another_shape_are_not_broadcast(scrambled, token_ids, model_class, options, labels, message) -> None:
    with pytest.raises(ValueError, match=message):
        scrambled(model_class, **options)(token_ids(2, 4), labels=labels)


def test_inputs_that_contradict_each_other(scrambled, token_ids) -> None:
    model, ids = scrambled(TextTransformerModel), token_ids(1, 4)
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model()
    with pytest.raises(ValueError, match="input_ids or inputs_embeds"):
        model(ids, inputs_embeds=torch.zeros(1, 4, 32))
    with pytest.raises(ValueError, match=r"sequence_ids have shape \(1, 3\); expected \(batch, tokens\)=\(1, 4\)"):
        model(ids, sequence_ids=torch.ones(1, 3))
    cache = model(ids, use_cache=True).past_key_values
    with pytest.raises(ValueError, match="beside a cache of 4 tokens"):
        model(ids, sequence_ids=torch.ones(1, 4), past_key_values=cache)
