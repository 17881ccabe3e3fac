"""The embedded data set: handwritten digits that move, written as a folder of captioned clips."""

from heygen_hf.data.moving_digits.clips import Motion
from heygen_hf.data.moving_digits.render import read_unseen_triples, render_moving_digits
from heygen_hf.data.moving_digits.vocabulary import (
    ALL_TRIPLES,
    COLOURS,
    DIGITS,
    DIRECTIONS,
    LABEL_COLUMNS,
    Triple,
    choose_unseen_triples,
)

__all__ = [
    "ALL_TRIPLES",
    "COLOURS",
    "DIGITS",
    "DIRECTIONS",
    "LABEL_COLUMNS",
    "Motion",
    "Triple",
    "choose_unseen_triples",
    "read_unseen_triples",
    "render_moving_digits",
]
