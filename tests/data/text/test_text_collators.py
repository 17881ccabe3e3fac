"""Batches of text: padding, masks, and labels by objective."""

import datasets
import pytest
import torch

from heygen_hf.data.text import TextCollator, build_character_tokenizer, build_tokenizer, prepare_text_dataset


@pytest.fixture
def tokenizer():
    return build_tokenizer(["red left up"])


def test_labels_are_the_tokens_and_padding_is_left_out(tokenizer):
    batch = TextCollator(tokenizer)([{"text": "red left up"}, {"text": "up"}])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["input_ids"][1, 1:].tolist() == [tokenizer.pad_token_id] * 2
    assert batch["labels"][0].tolist() == batch["input_ids"][0].tolist()
    assert batch["labels"][1].tolist() == [batch["input_ids"][1, 0], -100, -100]


def test_padding_of_an_end_token_keeps_the_real_ends_as_labels():
    tokenizer = build_character_tokenizer([])
    tokenizer.pad_token = tokenizer.eos_token
    prepared = prepare_text_dataset(
        datasets.Dataset.from_dict({"text": ["abc", "a"]}), tokenizer, max_length=8, add_eos=True
    )
    labels = TextCollator(tokenizer)(list(prepared))["labels"]
    assert labels[1].tolist() == [prepared[1]["input_ids"][0], tokenizer.eos_token_id, -100, -100]


def test_packed_rows_keep_their_documents_apart():
    tokenizer = build_character_tokenizer([])
    texts = datasets.Dataset.from_dict({"text": ["abcd", "ab", "abcdef"]})
    prepared = prepare_text_dataset(texts, tokenizer, max_length=8, packing="pack")
    batch = TextCollator(tokenizer, max_length=10, padding="max_length")(list(prepared))
    assert set(batch) == {"input_ids", "attention_mask", "position_ids", "sequence_ids", "labels"}
    assert batch["sequence_ids"].tolist() == [[1] * 5 + [2] * 3 + [0] * 2, [1] * 7 + [0] * 3]
    starts = batch["position_ids"] == 0
    assert (batch["labels"][starts] == -100).all()
    assert (batch["labels"] != -100).sum() == 4 + 2 + 6
    assert torch.equal(batch["labels"][~starts], batch["input_ids"][~starts])


def test_a_label_a_sequence_by_number_or_name(tokenizer):
    items = [{"text": "red", "label": 1}, {"text": "left up", "label": 0}]
    assert TextCollator(tokenizer, objective="sequence_classification")(items)["labels"].tolist() == [1, 0]
    named = [{"text": "red", "kind": "colour"}, {"text": "up", "kind": "direction"}]
    options = {"objective": "sequence_classification", "label_column": "kind"}
    collate = TextCollator(tokenizer, **options, class_names=["direction", "colour"])
    assert collate(named)["labels"].tolist() == [1, 0]
    with pytest.raises(ValueError, match="label 'colour' in 'kind' is none of the classes size"):
        TextCollator(tokenizer, **options, class_names=["size"])(named)
    with pytest.raises(ValueError, match="give class_names"):
        TextCollator(tokenizer, **options)(named)


@pytest.mark.parametrize("prepared", [False, True])
def test_a_label_a_word_goes_to_its_first_token(tokenizer, prepared):
    rows = datasets.Dataset.from_dict({"words": [["red", "cyan", "up"], ["left"]], "tags": [[5, 6, 7], [8]]})
    items = list(rows)
    if prepared:
        items = list(prepare_text_dataset(rows, tokenizer, text_column="words", max_length=16, label_columns="tags"))
    options = {"objective": "token_classification", "text_column": "words", "label_column": "tags"}
    labels = TextCollator(tokenizer, **options)(items)["labels"]
    # "cyan" is four tokens
    assert labels.tolist() == [[5, 6, -100, -100, -100, 7], [8, -100, -100, -100, -100, -100]]
    everywhere = TextCollator(tokenizer, **options, label_all_tokens=True)(items)["labels"]
    assert everywhere[0].tolist() == [5, 6, 6, 6, 6, 7]
    cut = TextCollator(tokenizer, **options, max_length=3)(items)
    assert cut["labels"][0].tolist() == [5, 6, -100]
    assert cut["input_ids"].shape == (2, 3)


def test_labels_that_do_not_fit_the_words_are_refused(tokenizer):
    options = {"objective": "token_classification", "text_column": "words", "label_column": "tags"}
    with pytest.raises(ValueError, match="1 labels in 'tags' for 2 words"):
        TextCollator(tokenizer, **options)([{"words": ["red", "up"], "tags": [1]}])
    with pytest.raises(ValueError, match="no list of words"):
        TextCollator(tokenizer, **options)([{"words": "red up", "tags": [1, 2]}])


def test_an_empty_batch_of_texts_still_has_a_token(tokenizer):
    batch = TextCollator(tokenizer)([{"text": ""}, {"text": ""}])
    assert batch["input_ids"].shape == (2, 1)
    assert not batch["attention_mask"].any()
    assert (batch["labels"] == -100).all()


def test_options_that_cannot_work_are_refused(tokenizer):
    with pytest.raises(ValueError, match="expected one of language_modeling"):
        TextCollator(tokenizer, objective="translation")
    with pytest.raises(ValueError, match="set max_length"):
        TextCollator(tokenizer, padding="max_length")
    tokenizer.pad_token = None
    with pytest.raises(ValueError, match="no padding token"):
        TextCollator(tokenizer)
