"""What a word alone says about its label: the figure that a token classifier must beat."""

from collections import Counter, defaultdict
from collections.abc import Sequence


class MostFrequentLabel:
    """Gives each word the label it has most often in training; an unknown word that of words which begin alike.

    Args:
        words: the training words.
        labels: their class numbers, -100 for one that does not count.
    """

    def __init__(self, words: Sequence[str], labels: Sequence[int]) -> None:
        by_word: dict[str, Counter[int]] = defaultdict(Counter)
        by_start: dict[str, Counter[int]] = defaultdict(Counter)
        overall: Counter[int] = Counter()
        for word, label in zip(words, labels, strict=True):
            if label >= 0:
                by_word[word][label] += 1
        for word, counts in by_word.items():
            overall.update(counts)
            # A word counts once: what is unknown is like the rare ones.
            by_start[_start(word)][_most_frequent(counts)] += 1
        self._of_word = {word: _most_frequent(counts) for word, counts in by_word.items()}
        self._of_start = {start: _most_frequent(counts) for start, counts in by_start.items()}
        self._otherwise = _most_frequent(overall)

    def __call__(self, word: str) -> int:
        known = self._of_word.get(word)
        return self._of_start.get(_start(word), self._otherwise) if known is None else known


def _most_frequent(counts: Counter[int]) -> int:
    return min(counts, key=lambda label: (-counts[label], label))


def _start(word: str) -> str:
    """The kind of the first character: A, a, 0, or itself."""
    first = word[:1]
    if first.isdigit():
        return "0"
    if first.isalpha():
        return "A" if first.isupper() else "a"
    return first
