"""The words of the moving digits: what their captions can say, and what of it is kept from training."""

import itertools
from typing import NamedTuple

from heygen_hf.processing import shuffled

COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (40, 80, 255),  # a pure blue is so dark on black that the digit is hard to read
    "yellow": (255, 255, 0),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
}
"""Name to RGB."""

DIRECTIONS: dict[str, tuple[int, int]] = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
"""Name to the step `(x, y)` in pixels; y grows downwards."""

DIGITS: tuple[str, ...] = tuple("0123456789")

LABEL_COLUMNS: tuple[str, ...] = ("colour", "digit", "direction")
"""The columns of `metadata.jsonl` that name what a clip shows."""

NUM_UNSEEN_TRIPLES = 24


class Triple(NamedTuple):
    """What one clip shows."""

    colour: str
    digit: str
    direction: str

    @property
    def caption(self) -> str:
        """For example "a red 7 moves left"."""
        return f"a {self.colour} {self.digit} moves {self.direction}"


ALL_TRIPLES: tuple[Triple, ...] = tuple(Triple(*words) for words in itertools.product(COLOURS, DIGITS, DIRECTIONS))
"""All 240, in a fixed order."""


def choose_unseen_triples(seed: int = 0) -> list[Triple]:
    """The 24 triples that no training clip shows: a set that takes no *pair* of words away from training.

    Each (colour, direction) loses one digit, the digit (colour + 6 * direction) mod 10 in shuffled numbering.
    For one direction the six colours lose six different digits; for one colour the four directions lose 0, 6,
    2 and 8 steps on, different again. So a (colour, digit) keeps at least 3 of its 4 directions, a (digit,
    direction) 5 of its 6 colours, a (colour, direction) 9 of its 10 digits, and every digit is missing two or
    three times.
    """
    colours = [list(COLOURS)[place] for place in shuffled(len(COLOURS), seed, 0)]
    digits = [DIGITS[place] for place in shuffled(len(DIGITS), seed, 1)]
    directions = [list(DIRECTIONS)[place] for place in shuffled(len(DIRECTIONS), seed, 2)]
    chosen = {
        Triple(colour, digits[(c + 6 * d) % len(DIGITS)], direction)
        for c, colour in enumerate(colours)
        for d, direction in enumerate(directions)
    }
    assert len(chosen) == NUM_UNSEEN_TRIPLES
    return [triple for triple in ALL_TRIPLES if triple in chosen]
