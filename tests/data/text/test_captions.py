"""Captions that are empty, too long, no text, or repeated: all of them found, with their rows."""

import json

from heygen_hf.data.text import build_tokenizer, check_captions

CAPTIONS = [
    "a red 7 moves left",  # 5 tokens
    "",
    "a red 7",
    None,
    "a red 7",
    "a \ufffd 7",
    " \n",
    "a red 7 moves left and up and up",  # 9
    "line one\nline two\t",
    "a\x00b\x85",
    "half \udc80",
    "a red 7",
]


def test_every_fault_is_found_with_its_row():
    report = check_captions(CAPTIONS, build_tokenizer(["a red 7 moves left and up"]), 5)
    assert report.num_captions == len(CAPTIONS)
    assert report.empty == [1, 3, 6]
    assert report.tokens_lost[7] == 4
    assert 0 not in report.tokens_lost
    assert report.num_tokens_lost == sum(report.tokens_lost.values()) >= 4
    assert report.not_text == {5: ["replacement characters"], 9: ["control characters"], 10: ["half surrogates"]}
    assert report.duplicate_of == {4: 2, 11: 2}
    assert report.num_unknown_tokens >= 1
    assert not report.is_clean


def test_a_row_can_be_asked_for():
    report = check_captions(CAPTIONS, build_tokenizer(["a red 7 moves left and up"]), 5)
    assert report.problems_of(0) == []
    assert report.problems_of(6) == ["empty caption"]
    assert report.problems_of(7) == ["caption too long: 4 tokens lost"]
    assert "caption has control characters" in report.problems_of(9)


def test_totals_and_first_examples_are_printed():
    report = check_captions(CAPTIONS, build_tokenizer(["a red 7 moves left and up"]), 5)
    summary = report.summary()
    assert summary.startswith("12 captions")
    assert "3 are empty: row 1 ''" in summary
    assert "row 7 'a red 7 moves left and up and up'" in summary
    assert "2 repeat an earlier one: row 4 'a red 7'" in summary
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["num_empty"] == 3
    assert plain["examples"]["7"] == CAPTIONS[7]
    summary.encode("ascii", "backslashreplace")


def test_clean_captions_are_clean():
    captions = ["a red 7", "un été, 夏 👍🏽", "a red 7"]
    report = check_captions(captions, build_tokenizer(captions), 50)
    assert report.is_clean
    assert report.duplicate_of == {2: 0}
    assert report.num_tokens > 6
    assert report.num_unknown_tokens == 0


def test_rows_are_counted_through_batches():
    captions = [f"caption {number}" for number in range(2500)]
    captions[1999] = ""
    captions[2400] = "caption 3"
    report = check_captions(iter(captions), build_tokenizer(captions[:10]), 10)
    assert report.empty == [1999]
    assert report.duplicate_of == {2400: 3}
    assert set(report.examples) == {1999, 2400}
    assert check_captions([]).summary() == "0 captions"


def test_without_a_tokenizer_only_the_characters_count():
    report = check_captions(CAPTIONS)
    assert report.empty == [1, 3, 6]
    assert report.tokens_lost == {}
    assert report.num_tokens == 0
