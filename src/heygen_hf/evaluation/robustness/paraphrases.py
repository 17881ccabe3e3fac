"""A prompt in other words, by rules: no model, and the same words every time.

All but `typo` leave the meaning as it is. They are what people do to prompts, not all they can do; a file of one's own
paraphrases goes further (`read_paraphrases`).
"""

import hashlib
import re
from collections.abc import Callable

_WORD = re.compile(r"[^\W\d_]+|\d+")
_FRAMES = ("a video of {}", "a short clip: {}", "{}, filmed", "show {}", "in this video, {}")
_CLAUSE = re.compile(r"\s*[,;]\s+|\s+(?=(?:while|as|and then)\s)")

# Each word's other word; both are plain English, and neither is narrower than the other where that could be helped.
_SYNONYMS = {
    "man": "guy",
    "woman": "lady",
    "person": "human",
    "child": "kid",
    "people": "persons",
    "dog": "hound",
    "cat": "feline",
    "car": "automobile",
    "road": "street",
    "sea": "ocean",
    "photo": "picture",
    "video": "clip",
    "house": "home",
    "big": "large",
    "small": "little",
    "fast": "quick",
    "quickly": "fast",
    "slowly": "unhurriedly",
    "beautiful": "pretty",
    "moves": "goes",
    "moving": "going",
    "move": "go",
    "walks": "strolls",
    "walking": "strolling",
    "runs": "sprints",
    "running": "sprinting",
    "talks": "speaks",
    "talking": "speaking",
    "says": "states",
    "looks": "gazes",
    "looking": "gazing",
    "jumps": "leaps",
    "jumping": "leaping",
    "turns": "rotates",
    "turning": "rotating",
    "left": "leftwards",
    "right": "rightwards",
    "up": "upwards",
    "down": "downwards",
    "red": "scarlet",
    "green": "emerald",
    "blue": "azure",
    "yellow": "golden",
    "magenta": "fuchsia",
    "cyan": "turquoise",
    "purple": "violet",
    "gray": "grey",
    "grey": "gray",
    "0": "zero",
    "1": "one",
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
}
_SYNONYMS |= {other: word for word, other in list(_SYNONYMS.items()) if other not in _SYNONYMS}


def paraphrase(prompt: str, kind: str, *, seed: int = 0) -> str | None:
    """The prompt in other words; None where this kind changes nothing in it.

    Args:
        kind: of `PARAPHRASES`.
        seed: of what is left to choose (which word, which frame); the choice depends on it and the prompt alone.

    Raises:
        ValueError: an unknown kind.

    Example:
        >>> paraphrase("a red 7 moves left", "word_order")
        'moves left, a red 7'
    """
    if kind not in PARAPHRASES:
        raise ValueError(f"there is no paraphrase {kind!r}; known are {', '.join(PARAPHRASES)}")
    plain = " ".join(prompt.split())
    if not plain:
        return None
    made = PARAPHRASES[kind](plain, _Choice(f"{seed} {kind} {plain}"))
    return None if made == plain else made


class _Choice:
    """Numbers made of a text, the same on every machine."""

    def __init__(self, text: str) -> None:
        self._number = int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")

    def below(self, count: int) -> int:
        self._number, chosen = divmod(self._number, count)
        return chosen


def _casing(prompt: str, choice: _Choice) -> str:
    ways = [made for made in (prompt.upper(), prompt.title(), prompt.lower()) if made != prompt]
    return ways[choice.below(len(ways))] if ways else prompt


def _punctuation(prompt: str, choice: _Choice) -> str:
    bare = prompt.rstrip(" .!?;,")
    ways = [made for made in (f"{bare}.", f"{bare} ...", f'"{bare}"', bare) if made != prompt]
    return ways[choice.below(len(ways))]


def _template(prompt: str, choice: _Choice) -> str:
    return _FRAMES[choice.below(len(_FRAMES))].format(prompt.rstrip(" ."))


def _word_order(prompt: str, choice: _Choice) -> str:  # noqa: ARG001 - there is one way
    """The last clause first; of one clause its last two words."""
    bare = prompt.rstrip(" .")
    parts = _CLAUSE.split(bare)
    if len(parts) > 1:
        return f"{parts[-1]}, {', '.join(parts[:-1])}"
    words = bare.split()
    return f"{' '.join(words[-2:])}, {' '.join(words[:-2])}" if len(words) > 3 else prompt


def _synonyms(prompt: str, choice: _Choice) -> str:  # noqa: ARG001 - all words that have one
    def other(match: re.Match[str]) -> str:
        word = match[0]
        found = _SYNONYMS.get(word.lower())
        if found is None:
            return word
        return found.capitalize() if word[0].isupper() else found

    return _WORD.sub(other, prompt)


def _typo(prompt: str, choice: _Choice) -> str:
    """Two neighbouring letters swapped within one word of at least four letters (three, where there is none)."""
    found = [match for match in _WORD.finditer(prompt) if len(set(match[0][1:])) > 1]
    long = [match for match in found if len(match[0]) > 3] or found
    if not long:
        return prompt
    word = long[choice.below(len(long))]
    letters = word[0]
    places = [place for place in range(1, len(letters) - 1) if letters[place] != letters[place + 1]]
    if not places:
        return prompt
    place = places[choice.below(len(places))]
    swapped = letters[:place] + letters[place + 1] + letters[place] + letters[place + 2 :]
    return prompt[: word.start()] + swapped + prompt[word.end() :]


PARAPHRASES: dict[str, Callable[[str, _Choice], str]] = {
    "casing": _casing,
    "punctuation": _punctuation,
    "template": _template,
    "word_order": _word_order,
    "synonyms": _synonyms,
    "typo": _typo,
}
"""Kind → rule, in the order in which they are reported."""
