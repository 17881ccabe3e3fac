"""The tokenizer made from captions: words, the character fallback, saving."""

import pytest
from transformers import AutoTokenizer

from heygen_hf.data import build_tokenizer, load_tokenizer

CAPTIONS = ["a red 7 moves left", "a blue 3 moves up", "A Red 7 moves up."]


def tokens_of(tokenizer, text: str) -> list[str]:
    return tokenizer.convert_ids_to_tokens(tokenizer(text)["input_ids"])


def test_words_are_tokens_and_case_does_not_matter():
    tokenizer = build_tokenizer(CAPTIONS)
    assert tokens_of(tokenizer, "a RED 7 moves left.") == ["a", "red", "7", "moves", "left", "."]
    assert tokenizer.decode(tokenizer("a blue 3 moves up")["input_ids"]) == "a blue 3 moves up"


def test_unseen_words_fall_back_to_characters_and_never_to_unknown():
    tokenizer = build_tokenizer(CAPTIONS)
    assert tokens_of(tokenizer, "cyan") == ["c", "##y", "##a", "##n"]
    assert tokenizer.decode(tokenizer("a cyan 4 moves")["input_ids"]) == "a cyan 4 moves"


def test_only_an_unknown_character_is_unknown():
    tokenizer = build_tokenizer([*CAPTIONS, "ein grünes Ω"])
    assert tokens_of(tokenizer, "gΨü") == ["g", "[UNK]", "ü"]
    assert tokens_of(tokenizer, "red Ψ left") == ["red", "[UNK]", "left"]
    assert "[UNK]" not in tokens_of(tokenizer, "übΩ")


def test_the_vocabulary_depends_on_the_captions_and_not_on_their_order():
    first = build_tokenizer(CAPTIONS).get_vocab()
    assert build_tokenizer(reversed(CAPTIONS)).get_vocab() == first
    assert first["[PAD]"] == 0
    assert first["[UNK]"] == 1
    assert sorted(first.values()) == list(range(len(first)))


def test_the_limit_keeps_the_most_frequent_words():
    captions = [f"word{number:04d}" for number in range(500)] + ["word0499"] * 3
    tokenizer = build_tokenizer(captions, vocab_size_limit=200)
    assert len(tokenizer) == 200
    assert tokens_of(tokenizer, "word0499") == ["word0499"]
    assert "[UNK]" not in tokens_of(tokenizer, "word0498")
    with pytest.raises(ValueError, match="vocab_size_limit is 50"):
        build_tokenizer(CAPTIONS, vocab_size_limit=50)


def test_saved_and_loaded_it_is_the_same(tmp_path):
    tokenizer = build_tokenizer(CAPTIONS)
    tokenizer.save_pretrained(tmp_path)
    texts = ["a red 7 moves left", "unseen Wörds, too", ""]
    expected = tokenizer(texts, padding=True)
    for loaded in (load_tokenizer(str(tmp_path), []), AutoTokenizer.from_pretrained(tmp_path)):
        assert loaded(texts, padding=True) == expected
        assert loaded.padding_side == "right"
    assert load_tokenizer(None, CAPTIONS).get_vocab() == tokenizer.get_vocab()


def test_a_tokenizer_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(ValueError, match="no tokenizer loads from") as caught:
        load_tokenizer(str(tmp_path / "missing"), CAPTIONS)
    assert "\n" not in str(caught.value)
