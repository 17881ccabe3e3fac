"""The tokenizer of single characters: every text comes back as it was."""

import pytest
from transformers import AutoTokenizer

from heygen_hf.data.text import build_character_tokenizer

TEXTS = ["A red 7\nmoves  left.", "grünes Ω\t[EOS] #"]


def test_a_text_comes_back_as_it_was():
    tokenizer = build_character_tokenizer(TEXTS)
    for text in (*TEXTS, "Unseen words, ALL of ASCII: {}~", ""):
        token_ids = tokenizer(text)["input_ids"]
        assert len(token_ids) == len(text)
        assert tokenizer.decode(token_ids) == text


def test_the_end_token_is_no_text_and_an_unseen_sign_is_unknown():
    tokenizer = build_character_tokenizer(TEXTS)
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert tokenizer.eos_token_id not in tokenizer("[EOS]")["input_ids"]
    assert tokenizer("aЖb")["input_ids"].count(tokenizer.unk_token_id) == 1


def test_the_vocabulary_depends_on_the_texts_and_not_on_their_order(tmp_path):
    tokenizer = build_character_tokenizer(TEXTS)
    assert build_character_tokenizer(reversed(TEXTS)).get_vocab() == tokenizer.get_vocab()
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded(TEXTS, padding=True) == tokenizer(TEXTS, padding=True)
    assert loaded.decode(loaded(TEXTS[0])["input_ids"]) == TEXTS[0]


def test_the_limit_keeps_the_most_frequent_characters():
    tokenizer = build_character_tokenizer(["ααα β", "γγ \udc80"], vocab_size_limit=101)
    assert len(tokenizer) == 101
    known = tokenizer.get_vocab()
    assert ("α" in known, "γ" in known, "β" in known) == (True, False, False)
    assert "\udc80" not in build_character_tokenizer(["\udc80"]).get_vocab()
    with pytest.raises(ValueError, match="vocab_size_limit is 50"):
        build_character_tokenizer(TEXTS, vocab_size_limit=50)
