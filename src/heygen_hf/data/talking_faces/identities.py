"""Who can be drawn: every combination of skin, hair, eyes and face shape is one identity."""

import itertools
from dataclasses import asdict, dataclass

from heygen_hf.processing import shuffled

Colour = tuple[int, int, int]

SKINS: dict[str, Colour] = {
    "pale": (250, 220, 200),
    "light": (235, 192, 160),
    "tan": (208, 156, 116),
    "brown": (164, 110, 76),
    "dark": (120, 80, 60),
}
"""Name to RGB."""

HAIRS: dict[str, Colour] = {
    "black": (35, 30, 32),
    "brown": (110, 62, 28),
    "blond": (228, 190, 88),
    "red": (192, 72, 24),
    "grey": (148, 148, 156),
    "white": (242, 242, 244),
}

EYES: dict[str, Colour] = {
    "blue": (50, 105, 225),
    "green": (40, 150, 70),
    "brown": (95, 50, 20),
    "grey": (125, 132, 142),
}

FACE_SHAPES: dict[str, tuple[float, float, float]] = {
    "round": (17.5, 18.5, 2.0),
    "oval": (15.5, 20.5, 2.0),
    "long": (14.0, 21.5, 2.0),
    "square": (15.5, 19.0, 3.5),
}
"""Name to half width and half height, in 64ths of the frame, and the exponent of the outline: 2 is an ellipse."""

HAIR_STYLES: tuple[str, ...] = ("short", "long", "fringe")

IDENTITY_COLUMNS: tuple[str, ...] = ("skin", "hair", "hair_style", "eyes", "face_shape")
"""The columns of `metadata.jsonl` that say what a face looks like."""

_MIN_IDENTITIES = 3  # one for each split


@dataclass(frozen=True)
class Identity:
    """What one face looks like, in the words of the tables above."""

    skin: str
    hair: str
    hair_style: str
    eyes: str
    face_shape: str

    @property
    def caption(self) -> str:
        """For example "a face with brown hair speaks"."""
        return f"a face with {self.hair} hair speaks"

    @property
    def attributes(self) -> dict[str, str]:
        return asdict(self)


ALL_IDENTITIES: tuple[Identity, ...] = tuple(
    Identity(*words) for words in itertools.product(SKINS, HAIRS, HAIR_STYLES, EYES, FACE_SHAPES)
)
"""All 1,440, in a fixed order: an identity's number is its place here."""


def split_identities(num_identities: int, *, seed: int = 0) -> dict[str, list[int]]:
    """Draw identities and share them out: 80 % train, 10 % validation, 10 % test, none in two of them.

    Returns:
        Split to numbers of identities, at least one each.

    Raises:
        ValueError: more than there are, or too few for three splits.
    """
    if not _MIN_IDENTITIES <= num_identities <= len(ALL_IDENTITIES):
        raise ValueError(
            f"num_identities is {num_identities}; expected {_MIN_IDENTITIES} (one a split) to {len(ALL_IDENTITIES)} "
            "(every face that can be drawn)"
        )
    drawn = shuffled(len(ALL_IDENTITIES), seed, 10)[:num_identities]
    return shared_out(drawn)


def shared_out(drawn: list[int]) -> dict[str, list[int]]:
    """The first tenth for the test, the second for validation, the rest for training; at least one each."""
    held_out = max(1, len(drawn) // 10)
    return {
        "train": drawn[2 * held_out :],
        "validation": drawn[held_out : 2 * held_out],
        "test": drawn[:held_out],
    }
