"""Documents that say what others say: found, left out, and kept from lying on both sides of a split.

Compared are runs of five words (all words of a shorter document), letters' case, digits and punctuation aside.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

_RUN_LENGTH = 5  # words
_WORD = re.compile(r"\w+")
_DIGITS = re.compile(r"\d+")

Run = tuple[str, ...]


def keep_first_of_each(texts: Sequence[str], *, near: bool = True, most_in_common: float = 0.8) -> list[int]:
    """Which texts to keep so that none repeats another.

    Of exact copies the first is kept. With `near`, a text most of which is in one kept text goes too; longer texts are
    kept before shorter ones. Texts without a word are left out.

    Args:
        texts: documents.
        near: also look for near duplicates; it takes memory for every run of words.
        most_in_common: share of a text's runs of words that may be in another one.

    Returns:
        Numbers of the kept texts, rising.
    """
    first_of: dict[str, int] = {}
    for number, text in enumerate(texts):
        if _WORD.search(text):
            first_of.setdefault(text, number)
    if not near:
        return sorted(first_of.values())
    runs_of = {number: set(word_runs(texts[number])) for number in first_of.values()}
    kept: list[int] = []
    holders: dict[Run, list[int]] = defaultdict(list)
    for number in sorted(runs_of, key=lambda number: (-len(runs_of[number]), number)):
        runs = runs_of[number]
        shared = Counter(holder for run in runs for holder in holders.get(run, ()))
        if max(shared.values(), default=0) > most_in_common * len(runs):
            continue
        kept.append(number)
        for run in runs:
            holders[run].append(number)
    return sorted(kept)


def split_held_out(
    texts: Sequence[str], *, share: float, seed: int, most_in_common: float = 0.5
) -> tuple[list[int], list[int]]:
    """Divide documents into those to train on and those held out, which the former do not give away.

    A document's side is drawn from its content and the seed, so it does not depend on the other documents. One
    that was drawn, but whose text is found in the rest for more than `most_in_common` of its runs of words, stays in
    the training part.

    Args:
        texts: documents, without repeated ones.
        share: of the documents to hold out, in (0, 1); somewhat fewer are, but one at least, where one may be: that
            of the smallest draw.
        seed: another one holds out others.
        most_in_common: share of a held-out document's runs of words that may occur anywhere in the training part.

    Returns:
        Numbers of the training documents and of the held-out ones, each rising.
    """
    if not 0 < share < 1:
        raise ValueError(f"share is {share}; expected a share of the documents between 0 and 1, such as 0.1")
    held_out = {number for number, text in enumerate(texts) if _draw(text, seed) < share}
    runs_of = {number: set(word_runs(texts[number])) for number in held_out}
    wanted = {run for runs in runs_of.values() for run in runs}
    lengths = sorted({len(run) for run in wanted})
    seen: set[Run] = set()
    to_read: Iterable[int] = [number for number in range(len(texts)) if number not in held_out]
    while to_read:
        for number in to_read:
            seen.update(run for run in _runs_of_lengths(texts[number], lengths) if run in wanted)
        # What goes over to the training part may give away others in turn.
        to_read = sorted(
            number
            for number in held_out
            if len(runs_of[number] & seen) > most_in_common * len(runs_of[number]) or not runs_of[number]
        )
        held_out.difference_update(to_read)
    if not held_out and len(texts) > 1:
        held_out.update(_first_unlike_the_rest(texts, seed, most_in_common))
    return [number for number in range(len(texts)) if number not in held_out], sorted(held_out)


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return _WORD.search(text) is not None


def _first_unlike_the_rest(texts: Sequence[str], seed: int, most_in_common: float) -> list[int]:
    """Of the documents that the others do not give away, the one with the smallest draw; none where there is none."""
    runs_of = [set(word_runs(text)) for text in texts]
    wanted = {run for runs in runs_of for run in runs}
    lengths = sorted({len(run) for run in wanted})
    holders = Counter(run for text in texts for run in set(_runs_of_lengths(text, lengths)) if run in wanted)
    for number in sorted(range(len(texts)), key=lambda number: _draw(texts[number], seed)):
        runs = runs_of[number]
        if runs and sum(holders[run] > 1 for run in runs) <= most_in_common * len(runs):
            return [number]
    return []


def word_runs(text: str) -> Iterator[Run]:
    """Every run of five words, or the one of all words where there are fewer; none without a word."""
    words = _words(text)
    yield from _slide(words, min(_RUN_LENGTH, len(words)))


def _runs_of_lengths(text: str, lengths: Sequence[int]) -> Iterator[Run]:
    words = _words(text)
    for length in lengths:
        yield from _slide(words, length)


def _slide(words: Sequence[str], length: int) -> Iterator[Run]:
    if length:
        yield from zip(*(words[start:] for start in range(length)), strict=False)


def _words(text: str) -> list[str]:
    return _WORD.findall(_DIGITS.sub("0", text.lower()))


def _draw(text: str, seed: int) -> float:
    """A number in [0, 1) that belongs to the text and the seed, on every machine."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / 2**64
