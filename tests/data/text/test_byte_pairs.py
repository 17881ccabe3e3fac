import pytest

from heygen_hf.data.text import prepare_text_dataset
from heygen_hf.data.text.byte_pairs import build_byte_pair_tokenizer

TEXTS = ["def read(self):\n    Return the whole file.\n", "Return the file's name, or None.\n\n    >>> read()"] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return build_byte_pair_tokenizer(TEXTS, vocab_size_limit=300)


@pytest.mark.parametrize("text", [TEXTS[0], "  Ünïcode\t中文 🙂\r\n", "[EOS] and [PAD] as words", "nothing seen: qzx"])
def test_every_text_comes_back(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids[1:]) == text
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_it_starts_texts_and_knows_its_special_tokens(tokenizer):
    ids = tokenizer("[EOS]")["input_ids"]
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert ids[0] == 1
    assert 2 not in ids


def test_frequent_words_are_one_token_and_the_limit_holds(tokenizer):
    assert len(tokenizer) <= 300
    assert len(tokenizer(" Return", add_special_tokens=False)["input_ids"]) < len(" Return")


def test_the_same_texts_make_the_same_vocabulary(tokenizer):
    assert build_byte_pair_tokenizer(TEXTS, vocab_size_limit=300).get_vocab() == tokenizer.get_vocab()


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for text in (TEXTS[0], "[EOS]", " two  spaces "):
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert loaded.decode(loaded(text)["input_ids"], skip_special_tokens=True) == text


def test_documents_are_packed_between_start_and_end(tokenizer):
    import datasets

    rows = prepare_text_dataset(
        datasets.Dataset.from_dict({"text": TEXTS[:2]}), tokenizer, max_length=500, packing="group"
    )
    (row,) = rows
    first = [1, *tokenizer(TEXTS[0], add_special_tokens=False)["input_ids"], 2]
    assert row["input_ids"][: len(first)] == first
    assert row["input_ids"][len(first)] == 1
    assert row["input_ids"][-1] == 2


def test_half_surrogates_do_not_stop_it():
    build_byte_pair_tokenizer(["good", "bad \ud800 text"], vocab_size_limit=260)


def test_a_limit_without_room_for_the_bytes():
    with pytest.raises(ValueError, match="at least 259"):
        build_byte_pair_tokenizer(TEXTS, vocab_size_limit=258)
