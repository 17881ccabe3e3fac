"""Another clip in the place of one that cannot be read: a batch keeps its size, and the report its line."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from heygen_hf.data.video import BadVideoError

_MOST_ATTEMPTS = 100


class Substitution:
    """Draws the next readable row after a broken one, always the same.

    Args:
        num_rows: rows there are.
        name_of: row → its name in reports.
        group_of_row: a row is replaced by one of its own group, which has its shape; None where all have one.
    """

    def __init__(self, num_rows: int, name_of: Callable[[int], str], group_of_row: np.ndarray | None = None) -> None:
        self.num_rows, self.name_of, self.group_of_row = num_rows, name_of, group_of_row
        self._broken: dict[int, str] = {}  # of this process; what is known need not be tried again

    def draw(self, row: int, read: Callable[[int], dict[str, Any]]) -> dict[str, Any]:
        """`read(row)`, or of the next row that can be read, with `problems` `[(name, reason), …]` of those passed over.

        Raises:
            RuntimeError: a hundred rows on end cannot be read.
        """
        problems: list[tuple[str, str]] = []
        attempts = 0
        for candidate in itertools.chain(range(row, self.num_rows), range(row)):
            if self.group_of_row is not None and self.group_of_row[candidate] != self.group_of_row[row]:
                continue
            attempts += 1
            if candidate not in self._broken:
                try:
                    item = read(candidate)
                except BadVideoError as error:
                    self._broken[candidate] = str(error)
                else:
                    return item | {"problems": problems} if problems else item
            problems.append((self.name_of(candidate), self._broken[candidate]))
            if attempts >= _MOST_ATTEMPTS:
                break
        name, reason = problems[0]
        raise RuntimeError(
            f"{attempts} clips on end cannot be read, the first being {name!r}: {reason}; is the data still there?"
        )
