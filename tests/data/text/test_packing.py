"""Documents packed into rows: nothing lost, nothing divided that should be whole."""

import random

import pytest

from heygen_hf.data.text.packing import pack_continuous, pack_whole


def documents(lengths: list[int]) -> list[list[int]]:
    """Document n holds the tokens n00, n01, …"""
    return [[number * 100 + place for place in range(length)] for number, length in enumerate(lengths)]


def test_whole_documents_go_where_they_leave_the_least_room():
    first, second = pack_whole(documents([5, 3, 2, 4]), max_length=7)
    assert first.input_ids == [0, 1, 2, 3, 4, 200, 201]
    assert first.position_ids == [0, 1, 2, 3, 4, 0, 1]
    assert first.sequence_ids == [1, 1, 1, 1, 1, 2, 2]
    assert second.input_ids == [100, 101, 102, 300, 301, 302, 303]


def test_continuous_rows_are_full_but_for_the_last():
    first, second = pack_continuous(documents([5, 3, 2, 4]), max_length=7)
    assert first.input_ids == [0, 1, 2, 3, 4, 100, 101]
    assert second.input_ids == [102, 200, 201, 300, 301, 302, 303]
    assert second.position_ids == [0, 0, 1, 0, 1, 2, 3]
    assert second.sequence_ids == [1, 2, 2, 3, 3, 3, 3]
    rows = pack_continuous(documents([20]), max_length=8)
    assert [len(row.input_ids) for row in rows] == [8, 8, 4]
    assert pack_continuous([], max_length=8) == pack_whole([], max_length=8) == []


@pytest.mark.parametrize("seed", range(5))
def test_every_token_is_in_one_row_once(seed):
    chance = random.Random(seed)
    given = documents([chance.randint(1, 16) for _ in range(60)])
    tokens = [token for document in given for token in document]
    for pack in (pack_whole, pack_continuous):
        rows = pack(given, max_length=16)
        assert all(0 < len(row.input_ids) <= 16 for row in rows)
        assert all(len(row.input_ids) == len(row.position_ids) == len(row.sequence_ids) for row in rows)
        assert sorted(token for row in rows for token in row.input_ids) == tokens
    whole = pack_whole(given, max_length=16)
    for row in whole:
        for number in set(row.sequence_ids):
            part = [
                token for token, sequence in zip(row.input_ids, row.sequence_ids, strict=True) if sequence == number
            ]
            assert part in given
    assert len(whole) <= 1.2 * len(tokens) / 16 + 1
    assert [token for row in pack_continuous(given, max_length=16) for token in row.input_ids] == tokens
