"""Test clips in two groups: their combination of labels occurred in training, or did not."""

from collections.abc import Mapping, Sequence

SEEN, UNSEEN = "seen combinations", "unseen combinations"

Labels = Mapping[str, Sequence[str]]


def groups_of(test: Labels, columns: Sequence[str], *, train: Labels) -> list[str]:
    """The group of each test sample, by all of the label columns together.

    Args:
        test, train: label column → the value of each sample.
    """
    trained = set(combinations_of(train, columns))
    return [SEEN if combination in trained else UNSEEN for combination in combinations_of(test, columns)]


def combinations_of(labels: Labels, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The values of each sample in these columns."""
    return list(zip(*(map(str, labels[column]) for column in columns), strict=True))


__all__ = ["SEEN", "UNSEEN", "combinations_of", "groups_of"]
