"""Words that a flip or a reversal makes false, and their opposites."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Change = Literal["horizontal_flip", "vertical_flip", "reverse"]

_TURNS = (
    ("clockwise", "counterclockwise"),
    ("clockwise", "anticlockwise"),
    ("clockwise", "counter-clockwise"),
    ("clockwise", "anti-clockwise"),
)
_SIDEWAYS_MOTION = (("leftward", "rightward"), ("leftwards", "rightwards"))
_UPRIGHT_MOTION = (
    ("upward", "downward"),
    ("upwards", "downwards"),
    ("ascends", "descends"),
    ("ascending", "descending"),
)

_HEIGHT_CHANGES = ("rises", "rising", "falls", "falling", "climbs", "climbing", "drops", "dropping")

# Opposites under each change: all of them make a caption false, and can be swapped.
_PAIRS: dict[Change, tuple[tuple[str, str], ...]] = {
    "horizontal_flip": (("left", "right"), ("leftmost", "rightmost"), *_SIDEWAYS_MOTION, *_TURNS),
    "vertical_flip": (
        ("up", "down"),
        ("top", "bottom"),
        ("above", "below"),
        ("upper", "lower"),
        ("topmost", "bottommost"),
        *_UPRIGHT_MOTION,
        *_TURNS,
    ),
    "reverse": (
        ("forward", "backward"),
        ("forwards", "backwards"),
        ("opens", "closes"),
        ("opening", "closing"),
        ("enters", "exits"),
        ("entering", "exiting"),
        ("appears", "disappears"),
        ("appearing", "disappearing"),
        ("accelerates", "decelerates"),
        ("accelerating", "decelerating"),
        *_SIDEWAYS_MOTION,
        *_UPRIGHT_MOTION,
        *_TURNS,
    ),
}
# Made false, or perhaps false, and without a sure opposite: such a caption is refused even where words are swapped.
# Played backwards, "moves left" becomes false and "stands on the left" does not.
_BLOCKING: dict[Change, tuple[str, ...]] = {
    "horizontal_flip": (),
    "vertical_flip": ("upside", *_HEIGHT_CHANGES),
    "reverse": ("left", "right", "up", "down", "leaves", "leaving", *_HEIGHT_CHANGES),
}


@dataclass(frozen=True)
class DirectionWords:
    """The words of one change of a clip, English ones and those given.

    Words are whole ones: "bright" and "upright" hold none, "move_left" and "left-handed" do. Meaning is not
    known: the "left" of "what is left" and the "right" of "all right" count as directions.

    Args:
        change: of the clip.
        more_pairs: further opposites, of another language too: `[("links", "rechts")]`. They go before the
            English ones, so `[("left", "right")]` makes these two swappable under "reverse".
    """

    change: Change
    more_pairs: tuple[tuple[str, str], ...] = ()

    @cached_property
    def _opposites(self) -> dict[str, str]:
        opposites: dict[str, str] = {}
        for first, second in (*self.more_pairs, *_PAIRS[self.change]):
            opposites.setdefault(first.lower(), second.lower())
            opposites.setdefault(second.lower(), first.lower())
        return opposites

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        words = sorted({*self._opposites, *_BLOCKING[self.change]}, key=lambda word: (-len(word), word))
        # Letters and digits end a word; an underscore does not, as in the class "move_left".
        return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, words))})(?![^\W_])", re.IGNORECASE)

    def are_in(self, *texts: str) -> bool:
        """Whether any of the texts has one of the words."""
        return any(self._pattern.search(text) for text in texts)

    def can_swap(self, *texts: str) -> bool:
        """Whether every word found has an opposite."""
        return all(found.lower() in self._opposites for found in self._find(texts))

    def _find(self, texts: Iterable[str]) -> list[str]:
        return [found for text in texts for found in self._pattern.findall(text)]

    def swap(self, text: str) -> str:
        """Every word replaced by its opposite, in lower case, Title case or CAPITALS as it was.

        >>> DirectionWords("horizontal_flip").swap("Left of a bright LEFT arrow: right")
        'Right of a bright RIGHT arrow: left'
        """
        return self._pattern.sub(lambda match: self._opposite(match.group()), text)

    def _opposite(self, word: str) -> str:
        opposite = self._opposites.get(word.lower(), word)
        if len(word) > 1 and word.isupper():
            return opposite.upper()
        return opposite[:1].upper() + opposite[1:] if word[:1].isupper() else opposite
