"""Which words a change makes false, and what they become."""

import pytest

from heygen_hf.data.augmentation import DirectionWords


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("a red 7 moves left", "a red 7 moves right"),
        ("Left, RIGHT and right.", "Right, LEFT and left."),
        ("from left to right", "from right to left"),
        ("a bright light, upright; leftover copyright", "a bright light, upright; leftover copyright"),
        ("a left-handed player on the right-hand side", "a right-handed player on the left-hand side"),
        ("drifts leftwards, then rightward", "drifts rightwards, then leftward"),
        ("spins clockwise", "spins counterclockwise"),
        ("spins counter-clockwise", "spins clockwise"),
        ("Anticlockwise", "Clockwise"),
        ("ANTI-CLOCKWISE turn", "CLOCKWISE turn"),
        ("push_left_to_right", "push_right_to_left"),
        ("the leftmost cup; the dog's left", "the rightmost cup; the dog's right"),
        ("moves up and forwards", "moves up and forwards"),
        ("", ""),
    ],
)
def test_a_horizontal_flip_swaps_whole_words_and_keeps_their_case(text, swapped):
    words = DirectionWords("horizontal_flip")
    assert words.swap(text) == swapped
    assert words.are_in(text) == (text != swapped)


@pytest.mark.parametrize(
    ("change", "text", "swapped"),
    [
        ("vertical_flip", "up from the bottom, upwards", "down from the top, downwards"),
        ("vertical_flip", "the upper lip, below the lower", "the lower lip, above the upper"),
        ("vertical_flip", "a cup moves left", "a cup moves left"),
        ("vertical_flip", "turns clockwise", "turns counterclockwise"),
        ("reverse", "a door opens forwards", "a door closes backwards"),
        ("reverse", "on the top shelf", "on the top shelf"),
        ("reverse", "spins anticlockwise", "spins clockwise"),
    ],
)
def test_other_changes_have_their_own_words(change, text, swapped):
    assert DirectionWords(change).swap(text) == swapped


def test_swapping_twice_gives_the_text_back():
    text = "Left of the RIGHT door, the leftmost one turns clockwise"
    words = DirectionWords("horizontal_flip")
    assert words.swap(words.swap(text)) == text != words.swap(text)


def test_a_word_without_a_sure_opposite_cannot_be_swapped():
    words = DirectionWords("reverse")
    assert words.are_in("she walks left")
    assert not words.can_swap("she walks left")
    assert words.can_swap("she walks backwards")
    declared = DirectionWords("reverse", (("left", "right"),))
    assert declared.can_swap("she walks left")
    assert declared.swap("she walks left") == "she walks right"


def test_words_of_another_language_are_added():
    words = DirectionWords("horizontal_flip", (("links", "rechts"), ("слева", "справа")))
    assert words.swap("Links vom Haus, слева, left") == "Rechts vom Haus, справа, right"
    assert not DirectionWords("horizontal_flip").are_in("links vom Haus")
