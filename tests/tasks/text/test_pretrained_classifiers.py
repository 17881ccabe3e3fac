"""Classifiers that start from transformers' own models: BERT's heads, other classes, GPT-2's padding, float32."""

import json
from pathlib import Path

import pytest
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    GPT2Config,
    GPT2ForSequenceClassification,
    GPT2LMHeadModel,
)

from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer
from heygen_hf.tasks.recipe import load_recipe
from heygen_hf.tasks.text import classification, token_classification

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


def letters(number: int) -> str:
    return "".join(chr(97 + int(digit)) for digit in str(number))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """40 texts, and as many rows of words, of two classes."""
    words = [[f"{letters(number)}{word}" for word in ("p", "q", "r")] for number in range(40)]
    lines = [
        {"text": " ".join(row), "label": "xy"[number % 2], "words": row, "labels": ["x", "y", "x"]}
        for number, row in enumerate(words)
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path / "rows.jsonl"


def save(model, folder: Path) -> Path:
    model.save_pretrained(folder)
    build_byte_pair_tokenizer(["some text"], vocab_size_limit=270).save_pretrained(folder)
    return folder


def bert(kind, folder: Path, **fields) -> Path:
    return save(kind(BertConfig(vocab_size=270, max_position_embeddings=64, **SIZES, **fields)), folder)


def build(task, rows: Path, base: Path, *more: str):
    recipe = rows.parent / "recipe.yaml"
    recipe.write_text(f"task: {task.TASK.name}\nmodel: {{pretrained: {base}}}\n")
    shares = ["data.validation_share=0.2", "data.test_share=0.2"]
    values = [f"data.train={rows}", "data.max_length=16", *shares, *more]
    return task.build(load_recipe(recipe, values), exported=None, is_main=True)


TEXTS = ["data.max_length_in_evaluation=32"]


def loss_of(parts) -> torch.Tensor:
    items = [parts.train_dataset[number] for number in range(4)]
    return parts.build_model().eval()(**parts.collate(items)).loss


def test_a_bert_classifies_texts(rows, tmp_path):
    base = bert(BertForSequenceClassification, tmp_path / "bert", num_labels=5)
    parts = build(classification, rows, base, *TEXTS)
    assert parts.model_class is BertForSequenceClassification
    assert parts.build_model().config.id2label == {0: "x", 1: "y"}
    assert torch.isfinite(loss_of(parts))
    assert parts.measure(parts.build_model().eval())[0].count > 0


def test_a_bert_labels_words(rows, tmp_path):
    base = bert(BertForTokenClassification, tmp_path / "bert", num_labels=5)
    parts = build(token_classification, rows, base)
    assert parts.model_class is BertForTokenClassification
    assert torch.isfinite(loss_of(parts))
    figures = parts.measure(parts.build_model().eval())
    assert figures[0].count > 0


def test_a_head_of_other_classes_starts_anew_and_one_of_the_same_stays(rows, tmp_path, capsys):
    for names, said in (({0: "a", 1: "b"}, True), ({0: "x", 1: "y"}, False)):
        base = bert(BertForSequenceClassification, tmp_path / names[0], id2label=names)
        model = build(classification, rows, base, *TEXTS).build_model()
        assert ("its last layer starts anew" in capsys.readouterr().out) == said
        saved = BertForSequenceClassification.from_pretrained(base)
        assert torch.equal(model.classifier.weight, saved.classifier.weight) != said
        assert torch.equal(model.bert.pooler.dense.weight, saved.bert.pooler.dense.weight)


def test_a_gpt2_in_bfloat16_becomes_a_classifier_in_float32_that_knows_padding(rows, tmp_path):
    config = GPT2Config(vocab_size=270, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    base = save(GPT2LMHeadModel(config).to(torch.bfloat16), tmp_path / "gpt2")
    parts = build(classification, rows, base, *TEXTS)
    model = parts.build_model()
    assert isinstance(model, GPT2ForSequenceClassification)
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert model.config.pad_token_id == parts.processors[0].pad_token_id
    assert torch.isfinite(loss_of(parts))


def test_baselines_are_marked_as_such(rows, tmp_path):
    for task, kind, more in (
        (classification, BertForSequenceClassification, TEXTS),
        (token_classification, BertForTokenClassification, []),
    ):
        assert callable(task.plan)
        parts = build(task, rows, bert(kind, tmp_path / kind.__name__), *more)
        figures = parts.measure(parts.build_model().eval())
        marked = [figure.is_baseline for figure in figures]
        assert marked == [(figure.group or "").startswith("baseline") for figure in figures]
        assert any(marked)


def test_texts_longer_than_learned_positions_are_refused_and_words_beyond_them_counted(rows, tmp_path, capsys):
    base = bert(BertForSequenceClassification, tmp_path / "texts")
    with pytest.raises(ValueError, match=r"data.max_length_in_evaluation is 512 and .* knows 64 positions"):
        build(classification, rows, base)
    base = bert(BertForTokenClassification, tmp_path / "words")
    with pytest.raises(ValueError, match=r"data.max_length is 65 and .* knows 64 positions"):
        build(token_classification, rows, base, "data.max_length=65")
    long = {"words": ["word"] * 40, "labels": ["x"] * 40}  # of more than 64 tokens
    (tmp_path / "test.jsonl").write_text(json.dumps(long))
    parts = build(token_classification, rows, base, f"data.test={tmp_path / 'test.jsonl'}")
    report = parts.reports["test"]
    assert report["num_rows_cut"] == 1
    assert 0 < report["num_words_cut"] < 40
    assert f"{report['num_words_cut']} of 40 words are cut off" in capsys.readouterr().out
    assert parts.measure(parts.build_model().eval())[0].count == 40 - report["num_words_cut"]
