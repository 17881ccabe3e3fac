"""Good clips among everything that can be wrong: each bad file named with its reason, no good one lost, no hanging."""

import importlib.util
import re
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

from heygen_hf.data import decode_frames, load_video_dataset, prepare_clips
from heygen_hf.processing import VideoProcessor

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert _spec is not None
assert _spec.loader is not None
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)

NUM_GOOD, NUM_HOSTILE = 22, 40


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return hostile.make_hostile_folder(
        tmp_path_factory.mktemp("hostile") / "clips", num_good=NUM_GOOD, num_hostile=NUM_HOSTILE, seed=0
    )


def prepare(made, cache, *, processor=None, **options):
    options = {"max_bad_share": 0.9, "decode_time_limit_seconds": 20.0} | options
    if processor is None:
        processor = VideoProcessor(num_frames=4, height=48, width=64, frame_position="random", pad_policy="drop")
    dataset = load_video_dataset(made.folder)
    return prepare_clips(dataset, processor=processor, seed=0, cache_dir=cache, progress=False, **options)


def test_the_folder_holds_every_kind_twice_and_every_row(made):
    assert len(made.good) == NUM_GOOD + 1
    assert sorted(set(made.hostile.values())) == sorted(hostile.REASONS)
    assert len(made.hostile) == NUM_HOSTILE
    assert {row["file_name"] for row in made.rows} == {*made.good, *made.hostile}


@pytest.mark.parametrize("pad_policy", ["drop", "repeat_last"])
def test_every_bad_file_is_named_with_its_reason_and_no_good_one_is_lost(made, tmp_path, pad_policy):
    processor = VideoProcessor(num_frames=4, height=48, width=64, frame_position="random", pad_policy=pad_policy)
    for _ in range(2):  # what was found out once is remembered
        clips, report = prepare(made, tmp_path, processor=processor)
        skipped = dict(report.skipped)
        assert set(made.good) <= set(clips.file_names)
        assert report.num_used + len(report.skipped) == report.num_rows == len(made.rows)
        for name, kind in made.hostile.items():
            may_be_used = kind in hostile.PERHAPS_USABLE or (
                pad_policy != "drop" and kind in hostile.USABLE_WHEN_PADDED
            )
            if name in skipped:
                assert re.search(hostile.REASONS[kind], skipped[name]), (kind, skipped[name])
                assert "\n" not in skipped[name]
                assert repr(name) in report.summary()
            else:
                assert may_be_used, (kind, name)
        assert any("no row" in warning for warning in report.warnings)


def test_the_good_clips_are_what_they_were(made, tmp_path):
    clips, _ = prepare(made, tmp_path)
    row_of = {name: row for row, name in enumerate(clips.file_names)}
    captions = {row["file_name"]: row["text"] for row in made.rows}
    for name in made.good:
        item = clips[row_of[name]]
        assert item["text"] == captions[name]
        whole = decode_frames((made.folder / name).read_bytes()).frames
        starts = [start for start in range(len(whole) - 3) if torch.equal(item["frames"], whole[start : start + 4])]
        assert starts, name


def test_workers_load_all_of_it(made, tmp_path):
    clips, _ = prepare(made, tmp_path, max_clip_mebibytes=0.001)  # decoded when drawn, so in the workers
    items = list(DataLoader(clips, batch_size=None, num_workers=2))
    assert len(items) == len(clips) >= len(made.good)


def test_too_many_bad_files_stop_before_training(made, tmp_path):
    with pytest.raises(ValueError, match=r"clips cannot be used .* allowed are 10%"):
        prepare(made, tmp_path, max_bad_share=0.1)
