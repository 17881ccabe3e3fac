"""Test clips in two groups: their combination of labels occurred in training, or did not."""

from collections.abc import Sequence

from heygen_hf.tasks.clip_data import PreparedData

SEEN, UNSEEN = "seen combinations", "unseen combinations"


def groups_of(data: PreparedData, columns: Sequence[str], rows: Sequence[int]) -> list[str]:
    """The group of each of these test clips, by all of the label columns together."""
    trained = set(_combinations(data.labelled_train.labels, columns))
    tested = _combinations(data.test.labels, columns)
    return [SEEN if tested[row] in trained else UNSEEN for row in rows]


def _combinations(labels: dict[str, list[str]], columns: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(map(str, labels[column]) for column in columns), strict=True))


__all__ = ["SEEN", "UNSEEN", "groups_of"]
