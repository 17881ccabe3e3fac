"""Texts to rows of tokens: counted, packed, computed once."""

import logging
from pathlib import Path

import datasets
import pytest
from tokenizers import normalizers
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from heygen_hf.data.text import TextReport, build_character_tokenizer, build_tokenizer, prepare_text_dataset

TEXTS = ["abcdefgh", "", "abc", None, "ab", "abcde"]


class CountingTokenizer(PreTrainedTokenizerFast):
    """Knows how many texts it was asked for, the one letter that is asked for at each preparation left out."""

    num_texts = 0

    def __call__(self, text, *args, **kwargs):
        type(self).num_texts += len(text) if isinstance(text, list) else 0
        return super().__call__(text, *args, **kwargs)


@pytest.fixture
def tokenizer():
    return build_character_tokenizer([])


@pytest.fixture
def texts() -> datasets.Dataset:
    return datasets.Dataset.from_dict({"text": TEXTS, "label": list(range(6)), "other": ["x"] * 6})


def decoded(prepared, tokenizer) -> list[str]:
    return [tokenizer.decode(row).replace("[EOS]", "|") for row in prepared["input_ids"]]


def test_a_document_a_row_cut_and_counted(texts, tokenizer, caplog):
    report = TextReport()
    with caplog.at_level(logging.WARNING, logger="heygen_hf"):
        prepared = prepare_text_dataset(
            texts, tokenizer, max_length=5, add_eos=True, label_columns="label", report=report
        )
    assert set(prepared.column_names) == {"input_ids", "label"}
    assert decoded(prepared, tokenizer) == ["abcd|", "abc|", "ab|", "abcd|"]
    assert prepared["label"][:] == [0, 2, 4, 5]
    assert (report.num_documents, report.num_empty, report.num_rows) == (6, 2, 4)
    assert (report.num_truncated, report.num_tokens, report.num_tokens_lost) == (2, 18, 5)
    assert report.num_row_tokens == 17
    assert "2 documents are cut off: 5 tokens lost (27.8%)" in caplog.text
    assert "2 documents are empty and left out" in report.summary()


def test_too_long_is_an_error_where_cutting_is_off(texts, tokenizer):
    with pytest.raises(ValueError, match=r"a document has 8 tokens and 5 fit; .*packing='group'"):
        prepare_text_dataset(texts, tokenizer, max_length=5, truncation=False)
    whole = prepare_text_dataset(texts, tokenizer, max_length=8, truncation=False)
    assert decoded(whole, tokenizer) == ["abcdefgh", "abc", "ab", "abcde"]


def test_packing_keeps_documents_whole_and_ended(texts, tokenizer):
    report = TextReport()
    prepared = prepare_text_dataset(texts, tokenizer, max_length=9, packing="pack", report=report)
    assert decoded(prepared, tokenizer) == ["abcdefgh|", "abc|", "ab|abcde|"]
    assert prepared[2]["position_ids"] == [0, 1, 2, 0, 1, 2, 3, 4, 5]
    assert prepared[2]["sequence_ids"] == [1] * 3 + [2] * 6
    assert (report.num_truncated, report.num_rows, report.num_row_tokens) == (0, 3, 22)
    assert report.padding_share == pytest.approx(1 - 22 / 27)


def test_grouping_divides_and_loses_nothing(texts, tokenizer):
    report = TextReport()
    prepared = prepare_text_dataset(texts, tokenizer, max_length=6, packing="group", report=report)
    assert decoded(prepared, tokenizer) == ["abcdef", "gh|abc", "|ab|ab", "cde|"]
    assert prepared[1]["sequence_ids"] == [1, 1, 1, 2, 2, 2]
    assert (report.num_tokens_lost, report.num_truncated, report.num_row_tokens) == (0, 0, 22)
    small = prepare_text_dataset(texts, tokenizer, max_length=6, packing="group", batch_size=3)
    assert decoded(small, tokenizer) == ["abcdef", "gh|abc", "|", "ab|abc", "de|"]


def test_what_the_tokenizer_adds_stays_and_its_end_is_not_doubled(texts, tokenizer):
    end = [("[EOS]", tokenizer.eos_token_id), ("[UNK]", tokenizer.unk_token_id)]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="[UNK] $A [EOS]", special_tokens=end)
    prepared = prepare_text_dataset(texts, tokenizer, max_length=5, add_eos=True)
    assert decoded(prepared, tokenizer) == ["[UNK]abc|", "[UNK]abc|", "[UNK]ab|", "[UNK]abc|"]


def test_lists_of_words_keep_the_word_of_each_token():
    tokenizer = build_tokenizer(["red left"])
    words = datasets.Dataset.from_dict({"words": [["red", "cyan"], [], ["left"]], "tags": [[0, 1], [], [2]]})
    prepared = prepare_text_dataset(words, tokenizer, text_column="words", max_length=8, label_columns=["tags"])
    assert prepared["word_ids"][:] == [[0, 1, 1, 1, 1], [0]]
    assert prepared["tags"][:] == [[0, 1], [2]]


def test_unknown_tokens_are_counted(tokenizer):
    report = TextReport()
    prepare_text_dataset(datasets.Dataset.from_dict({"text": ["aЖbЖ"]}), tokenizer, max_length=3, report=report)
    assert (report.num_unknown_tokens, report.num_tokens_lost) == (1, 1)


def test_a_second_call_reads_the_first_ones_result(tmp_path, tokenizer):
    counting = CountingTokenizer(tokenizer_object=tokenizer.backend_tokenizer, eos_token="[EOS]", pad_token="[PAD]")
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(f'{{"text": "text {number}"}}\n' for number in range(20)))

    def prepare(**options):
        CountingTokenizer.num_texts = 0
        stored = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
        return prepare_text_dataset(stored, counting, **{"max_length": 16, "packing": "group", **options})

    first = prepare()
    assert CountingTokenizer.num_texts == 20
    counting(["a", "bcd"], padding=True, truncation=True, max_length=2)  # changes its state, not what it is
    report = TextReport()
    second = prepare(report=report)
    assert CountingTokenizer.num_texts == 0
    assert second[:] == first[:]
    assert report.num_documents == 20
    assert report.num_tokens == 130
    prepare(max_length=17, packing="pack")
    assert CountingTokenizer.num_texts == 20
    counting.backend_tokenizer.normalizer = normalizers.Lowercase()  # the vocabulary is the same, the tokens are not
    prepare()
    assert CountingTokenizer.num_texts == 20


def test_data_in_memory_is_kept_in_a_folder_of_ones_choice(texts, tokenizer, tmp_path):
    counting = CountingTokenizer(tokenizer_object=tokenizer.backend_tokenizer, eos_token="[EOS]", pad_token="[PAD]")
    CountingTokenizer.num_texts = 0
    options = {"max_length": 8, "cache_dir": tmp_path / "text"}
    first = prepare_text_dataset(texts, counting, **options)
    assert CountingTokenizer.num_texts == 4
    again = datasets.Dataset.from_dict({"text": TEXTS, "label": list(range(6)), "other": ["x"] * 6})
    assert prepare_text_dataset(again, counting, **options)[:] == first[:]
    assert CountingTokenizer.num_texts == 4
    assert all(Path(file["filename"]).parent == tmp_path / "text" for file in first.cache_files)


def test_processes_give_the_same_rows(texts, tokenizer):
    one = prepare_text_dataset(texts, tokenizer, max_length=5)
    assert prepare_text_dataset(texts, tokenizer, max_length=5, num_workers=2)[:] == one[:]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"text_column": "caption"}, "no column 'caption'; it has text, label, other"),
        ({"label_columns": ["class"]}, "no column 'class'"),
        ({"packing": "tight"}, "expected one of none, pack, group"),
        ({"packing": "pack", "label_columns": "label"}, "set packing to 'none'"),
        ({"max_length": 1, "add_eos": True}, "1 tokens go around every document"),
    ],
)
def test_options_that_cannot_work_are_refused(texts, tokenizer, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        prepare_text_dataset(texts, tokenizer, **{"max_length": 8, **options})


def test_packing_without_an_end_token_names_the_ways_out(texts):
    tokenizer = build_tokenizer(["ab"])
    with pytest.raises(ValueError, match="give add_eos=False, or use build_character_tokenizer"):
        prepare_text_dataset(texts, tokenizer, max_length=8, packing="pack")
    prepared = prepare_text_dataset(texts, tokenizer, max_length=8, packing="pack", add_eos=False)
    assert max(prepared[0]["sequence_ids"]) >= 1
