import random

import pytest

from heygen_hf.data.text.repetition import keep_first_of_each, split_held_out, word_runs

WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("a", "e", "i", "o", "u", "an", "el", "or")]


def documents(count: int, *, seed: int = 0, words: int = 30) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=words)) for _ in range(count)]


def test_copies_and_near_copies_are_left_out_and_the_longest_is_kept():
    one, other = documents(2)
    texts = [one, other, one, one.upper() + "!", one + " " + other, "...", " "]
    assert keep_first_of_each(texts, near=False) == [0, 1, 3, 4]
    assert keep_first_of_each(texts) == [4]


def test_texts_that_share_little_stay():
    one, other = documents(2)
    half = " ".join(one.split()[:10] + other.split()[:20])
    assert keep_first_of_each([one, half]) == [0, 1]


def test_short_texts_are_compared_whole():
    assert keep_first_of_each(["Close it.", "close  IT", "Close", "Open it."]) == [0, 2, 3]


def test_runs_of_five_words_without_case_and_digits():
    assert list(word_runs("One 22 three FOUR five, six")) == [
        ("one", "0", "three", "four", "five"),
        ("0", "three", "four", "five", "six"),
    ]
    assert list(word_runs("Two words")) == [("two", "words")]
    assert list(word_runs("...")) == []


def test_both_sides_together_are_everything_and_the_seed_decides():
    texts = documents(200)
    train, held_out = split_held_out(texts, share=0.2, seed=0)
    assert sorted(train + held_out) == list(range(200))
    assert 20 <= len(held_out) <= 60
    assert split_held_out(texts, share=0.2, seed=0) == (train, held_out)
    assert split_held_out(texts, share=0.2, seed=1)[1] != held_out


def test_a_side_is_drawn_from_the_content_and_not_from_the_place():
    texts = documents(100)
    held_out = {texts[number] for number in split_held_out(texts, share=0.2, seed=0)[1]}
    turned = texts[::-1] + documents(20, seed=1)
    assert {turned[number] for number in split_held_out(turned, share=0.2, seed=0)[1]} >= held_out


def test_what_the_training_text_gives_away_is_not_held_out():
    texts = documents(100)
    _, held_out = split_held_out(texts, share=0.2, seed=0)
    told = texts[held_out[0]]
    train = [text for number, text in enumerate(texts) if number not in held_out]
    # A training document that quotes it, for most of its length.
    for suffix in range(100):
        quoting = [*texts, "now " + told[: len(told) * 8 // 10] + f" and {'so ' * (suffix + 1)}on"]
        if len(quoting) - 1 in split_held_out(quoting, share=0.2, seed=0)[0]:
            break
    again = split_held_out(quoting, share=0.2, seed=0)[1]
    assert held_out[0] not in again
    assert set(again) == set(held_out) - {held_out[0]}
    assert told not in train


def test_a_share_that_cannot_be():
    with pytest.raises(ValueError, match="share is 1"):
        split_held_out(["a"], share=1, seed=0)


def test_few_documents_and_a_small_share_still_hold_one_out():
    texts = documents(16)
    for seed in range(10):
        train, held_out = split_held_out(texts, share=0.04, seed=seed)
        assert held_out
        assert sorted(train + held_out) == list(range(16))
    assert split_held_out(texts[:1], share=0.04, seed=0) == ([0], [])
    assert split_held_out(texts[:1] * 3 + ["..."], share=0.04, seed=0) == ([0, 1, 2, 3], [])  # told by the rest
