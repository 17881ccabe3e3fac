"""Clips of several data sets in one epoch."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from heygen_hf.data.clips import ClipsBeside, MixedClips, RepeatedClips
from heygen_hf.data.clips.mixed import OWN
from heygen_hf.data.loading import EpochBatches, Grouping


class Numbers:
    """A data set that says which of its clips was asked for, and in which epoch."""

    def __init__(self, count: int, *, buckets: list[int] | None = None) -> None:
        self.count, self.buckets = count, SimpleNamespace(buckets=["small", "large"])
        self.bucket_of_row = np.array(buckets or [0] * count)
        self.file_names = [f"{row}.mp4" for row in range(count)]

    def __len__(self) -> int:
        return self.count

    def fetch(self, indices, *, epoch):
        return [{"row": int(row), "epoch": epoch} for row in indices]


def mixed(own: int, others: int, *, share: float, seed: int = 0) -> MixedClips:
    return MixedClips(Numbers(own), [ClipsBeside(name="prior", clips=Numbers(others), share=share, seed=seed)])


def epoch_of(clips: MixedClips, epoch: int) -> list[tuple]:
    return [(item["source"], item["row"], item["epoch"]) for item in clips.fetch(range(len(clips)), epoch=epoch)]


@pytest.mark.parametrize(("share", "expected"), [(0.5, 10), (0.2, 2), (0.75, 30)])
def test_the_others_are_their_share_of_an_epoch(share, expected):
    shown = epoch_of(mixed(10, 4, share=share), 0)
    assert [row for source, row, _ in shown if source == OWN] == list(range(10))
    assert sum(source == "prior" for source, *_ in shown) == expected


def test_several_sources_have_their_shares_of_the_whole():
    beside = [ClipsBeside(name=name, clips=Numbers(9), share=share) for name, share in (("a", 0.5), ("b", 0.25))]
    counts = Counter(source for source, *_ in epoch_of(MixedClips(Numbers(8), beside), 0))
    assert counts == {OWN: 8, "a": 16, "b": 8}


def test_epochs_go_on_through_the_others_in_an_order_that_changes_with_each_pass():
    clips = mixed(6, 4, share=0.5)  # 6 of 4 an epoch: two epochs are three passes
    shown = [row for epoch in range(2) for source, row, _ in epoch_of(clips, epoch) if source == "prior"]
    passes = [shown[start : start + 4] for start in (0, 4, 8)]
    assert all(sorted(one) == [0, 1, 2, 3] for one in passes)
    assert len({tuple(one) for one in passes}) > 1
    # Each pass is an epoch of the others, whose random frames and crops differ.
    turns = [turn for epoch in range(2) for source, _, turn in epoch_of(clips, epoch) if source == "prior"]
    assert turns == [0] * 4 + [1] * 4 + [2] * 4


def test_an_item_is_a_function_of_seed_epoch_and_index():
    whole = epoch_of(mixed(6, 5, share=0.4), 3)
    other = mixed(6, 5, share=0.4)
    alone = [other.fetch([index], epoch=3)[0] for index in reversed(range(len(other)))][::-1]
    assert [(item["source"], item["row"], item["epoch"]) for item in alone] == whole
    assert [item["index"] for item in alone] == list(range(len(other)))
    other.set_epoch(3)
    assert [(item["source"], item["row"], item["epoch"]) for item in other.__getitems__(range(len(other)))] == whole
    assert epoch_of(mixed(6, 5, share=0.4, seed=1), 3) != whole


def test_an_item_keeps_its_size_from_epoch_to_epoch_and_none_is_left_out():
    others = Numbers(7, buckets=[0, 0, 0, 0, 0, 0, 1])
    own = Numbers(4, buckets=[0, 1, 0, 1])
    clips = MixedClips(own, [ClipsBeside(name="prior", clips=others, share=0.5)])
    assert len(clips) == 4 + 4  # 3 of the 6 small ones, and the large one
    seen = set()
    for epoch in range(4):
        items = clips.fetch(range(len(clips)), epoch=epoch)
        sizes = [(own if item["source"] == OWN else others).bucket_of_row[item["row"]] for item in items]
        assert sizes == clips.bucket_of_row.tolist()
        seen |= {item["row"] for item in items if item["source"] == "prior"}
    assert seen == set(range(7))
    batches = EpochBatches([len(clips)], batch_size=2, seed=0, grouping=Grouping(clips.bucket_of_row, (2, 2)))
    assert sorted(row for batch in batches for row in batch) == list(range(len(clips)))


def test_names_are_those_of_the_epoch_that_is_shown():
    clips = mixed(3, 5, share=0.5)
    for epoch in (0, 1):
        clips.set_epoch(epoch)
        shown = [f"{row}.mp4" for _, row, _ in epoch_of(clips, epoch)]
        assert clips.file_names == shown


def test_fewer_than_a_batch_are_repeated_as_further_epochs():
    clips = mixed(2, 3, share=0.5)
    repeated = RepeatedClips(clips, times=2)
    shown = [(item["source"], item["row"], item["epoch"]) for item in repeated.__getitems__(range(len(repeated)))]
    assert shown == epoch_of(clips, 0) + epoch_of(clips, 1)


@pytest.mark.parametrize(
    ("names", "share", "expected"),
    [
        (["a", "b"], 0.5, "sum to 1; each must be above 0"),
        (["a"], 0.0, "must be above 0"),
        (["a", "a"], 0.2, "different names"),
        ([OWN], 0.2, "different names"),
    ],
)
def test_sources_that_cannot_be_are_refused(names, share, expected):
    with pytest.raises(ValueError, match=expected):
        MixedClips(Numbers(3), [ClipsBeside(name=name, clips=Numbers(2), share=share) for name in names])
