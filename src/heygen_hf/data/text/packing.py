"""Documents of token numbers put together into rows of a fixed length; plain lists."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass
class PackedRow:
    """Documents, or parts of them, one after the other.

    Attributes:
        input_ids: tokens.
        position_ids: place of each token in its document, or in that part of it which is in this row.
        sequence_ids: number of each token's document within the row, from 1: attention that keeps to tokens of
            the same number keeps to the document, and 0 is left for padding.
    """

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    sequence_ids: list[int] = field(default_factory=list)

    def append(self, tokens: Sequence[int]) -> None:
        number = self.sequence_ids[-1] + 1 if self.sequence_ids else 1
        self.input_ids += tokens
        self.position_ids += range(len(tokens))
        self.sequence_ids += [number] * len(tokens)


def pack_whole(documents: Sequence[Sequence[int]], *, max_length: int) -> list[PackedRow]:
    """Rows of at most `max_length` tokens, no document divided: each goes, the longest first, where it leaves the
    least room (best-fit decreasing). Documents keep their order within a row, and rows that of their first.

    Example: lengths 5, 3, 2, 4 at `max_length=7` give the rows (5, 2) and (3, 4).

    Args:
        documents: of 1 to `max_length` tokens each.
    """
    members: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens free, row), sorted
    for number in sorted(range(len(documents)), key=lambda number: (-len(documents[number]), number)):
        length = len(documents[number])
        place = bisect_left(room, (length, -1))
        if place == len(room):
            members.append([number])
            insort(room, (max_length - length, len(members) - 1))
        else:
            free, row = room.pop(place)
            members[row].append(number)
            insort(room, (free - length, row))
    rows = []
    for numbers in sorted(sorted(numbers) for numbers in members):
        packed = PackedRow()
        for number in numbers:
            packed.append(documents[number])
        rows.append(packed)
    return rows


def pack_continuous(documents: Sequence[Sequence[int]], *, max_length: int) -> list[PackedRow]:
    """Rows of exactly `max_length` tokens but for the last: documents end to end, divided where a row ends.

    Example: lengths 5, 3, 2, 4 at `max_length=7` give the rows (5, 2 of the 3) and (the third, 2, 4).

    Args:
        documents: of at least 1 token each.
    """
    rows = [PackedRow()]
    for document in documents:
        start = 0
        while start < len(document):
            free = max_length - len(rows[-1].input_ids)
            if not free:
                rows.append(PackedRow())
                continue
            rows[-1].append(document[start : start + free])
            start += free
    return rows if rows[0].input_ids else []
