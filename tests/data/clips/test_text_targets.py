import pytest
import torch

from heygen_hf.data.clips.text_targets import AnswerNumbers, TextTargetCollator, TextTargets
from heygen_hf.data.text import build_character_tokenizer, build_tokenizer


def tokenizer_with_end():
    tokenizer = build_tokenizer(["a red 7 moves left"])
    tokenizer.add_special_tokens({"eos_token": "[EOS]"})
    return tokenizer


def test_labels_are_the_tokens_and_the_end_and_nothing_before_them():
    tokenizer = tokenizer_with_end()
    labels = TextTargets(tokenizer)(["a red 7", "red"])
    end = tokenizer.eos_token_id
    a, red, seven = tokenizer.convert_tokens_to_ids(["a", "red", "7"])
    assert labels.tolist() == [[a, red, seven, end], [red, end, -100, -100]]


def test_a_tokenizer_that_adds_tokens_of_its_own_adds_none_to_what_is_written():
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_with_end()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="[PAD] $A [UNK]", special_tokens=[("[PAD]", 0), ("[UNK]", 1)]
    )
    assert tokenizer("red")["input_ids"][0] == 0
    red = tokenizer.convert_tokens_to_ids("red")
    assert TextTargets(tokenizer)(["red"]).tolist() == [[red, tokenizer.eos_token_id]]


def test_what_is_cut_still_ends_and_is_counted():
    targets = TextTargets(tokenizer_with_end(), max_length=3)
    labels = targets(["a red 7 moves left"])
    assert labels.shape == (1, 3)
    assert labels[0, -1] == targets.tokenizer.eos_token_id
    report = targets.check(["a red 7 moves left", "red", "a red 7 moves"])
    assert report.tokens_lost == {0: 3, 2: 2}
    assert report.longest == 3
    assert "5 tokens are lost" in report.summary(what="captions", max_length=3)


def test_empty_texts_teach_nothing_and_are_counted():
    targets = TextTargets(tokenizer_with_end())
    assert targets(["red", "", " ", None])[1:].unique().tolist() == [-100]
    report = targets.check(["red", "", " ", None])
    assert (report.empty, report.longest) == ([1, 2, 3], 2)
    assert "3 of 4 captions are empty" in report.summary(what="captions")
    assert targets.check(["red"]).summary() == ""


def test_a_tokenizer_without_an_end_is_refused():
    with pytest.raises(ValueError, match="no end token"):
        TextTargets(build_tokenizer(["red"]))
    with pytest.raises(ValueError, match="max_length=1"):
        TextTargets(build_character_tokenizer([]), max_length=1)


def test_the_collator_shows_the_question_as_text_and_writes_the_answer():
    shown = []

    def inputs(items):
        shown.extend(item["text"] for item in items)
        return {"input_ids": torch.zeros(len(items), 1)}

    items = [{"text": "a caption", "question": "what colour?", "answer": "blue"}, {"question": "why?", "answer": "?"}]
    batch = TextTargetCollator(
        inputs, AnswerNumbers(["red", "blue"]), target_column="answer", question_column="question"
    )(items)
    assert shown == ["what colour?", "why?"]
    assert batch["labels"].tolist() == [1, -100]
    assert items[0]["text"] == "a caption"
