"""Rows repeated to fill a step: every row as often, epochs handed on."""

from heygen_hf.tasks.model_training.repeated_rows import RepeatedRows, repeated


class Rows:
    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, self.epoch


def test_every_row_comes_as_often_and_knows_the_epoch() -> None:
    rows = repeated(Rows(), times=2)
    assert isinstance(rows, RepeatedRows)
    rows.set_epoch(4)
    assert [rows[i] for i in range(len(rows))] == [(0, 4), (1, 4), (2, 4)] * 2
    assert rows.__getitems__([5, 0]) == [(2, 4), (0, 4)]
