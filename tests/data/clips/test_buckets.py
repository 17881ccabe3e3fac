"""Clips of several sizes: prepared, batched and read back at their own."""

import numpy as np
import pytest
import torch

from heygen_hf.data import (
    Bucket,
    BucketSet,
    ClipLoader,
    EpochBatches,
    VideoTextCollator,
    load_video_dataset,
    prepare_clips,
    write_video,
)
from heygen_hf.data.loading import Grouping
from heygen_hf.processing import VideoProcessor

SIZES = {"square.mp4": (8, 32, 32), "wide.mp4": (8, 32, 64), "short.mp4": (4, 32, 32), "tiny.mp4": (8, 8, 8)}


@pytest.fixture
def prepared(tmp_path, random_frames, write_metadata):
    folder = tmp_path / "clips"
    folder.mkdir()
    names = []
    for copy in range(3):
        for number, (name, (frames, height, width)) in enumerate(SIZES.items()):
            clip = random_frames(frames, height=height, width=width, seed=10 * copy + number)
            write_video(folder / f"{copy}_{name}", clip, lossless=True)
            names.append(f"{copy}_{name}")
    write_metadata(folder, [{"file_name": name, "text": name} for name in names])

    processor = VideoProcessor(num_frames=8, height=32, width=32, frame_position="random")
    buckets = BucketSet(processor, [Bucket(8, 32, 32), Bucket(4, 32, 32), Bucket(8, 32, 64)])
    clips, report = prepare_clips(
        load_video_dataset(folder),
        processor=processor,
        buckets=buckets,
        seed=0,
        cache_dir=tmp_path / "cache",
        max_bad_share=0.5,
        progress=False,
    )
    return clips, report, processor


def test_each_clip_has_the_shape_of_its_bucket_and_small_ones_are_named(prepared, random_frames):
    clips, report, _ = prepared
    shapes = {clips.file_names[i]: tuple(clips[i]["frames"].shape) for i in range(len(clips))}
    assert shapes["0_square.mp4"] == (8, 3, 32, 32)
    assert shapes["0_wide.mp4"] == (8, 3, 32, 64)
    assert shapes["0_short.mp4"] == (4, 3, 32, 32)
    assert report.num_per_bucket == {"8x32x32": 3, "8x32x64": 3, "4x32x32": 3}
    assert [name for name, _ in report.skipped] == ["0_tiny.mp4", "1_tiny.mp4", "2_tiny.mp4"]
    assert all("too small: 8x8" in reason for _, reason in report.skipped)
    square = random_frames(8, height=32, width=32, seed=0)
    assert torch.equal(clips[clips.file_names.index("0_square.mp4")]["frames"], square)


def test_batches_hold_one_size_and_every_clip(prepared):
    clips, _, processor = prepared
    batches = EpochBatches(
        [len(clips)], batch_size=1, seed=0, grouping=Grouping(clips.bucket_of_row, batch_sizes=(2, 4, 1))
    )
    loader = ClipLoader(clips, batches=batches, collate=VideoTextCollator(processor))
    shapes = [tuple(batch["pixel_values"].shape) for batch in loader]
    assert sorted(shapes) == [
        (1, 8, 3, 32, 32),  # the leftover of three in twos
        (1, 8, 3, 32, 64),
        (1, 8, 3, 32, 64),
        (1, 8, 3, 32, 64),
        (2, 8, 3, 32, 32),
        (3, 4, 3, 32, 32),
    ]


def test_source_sizes_are_known(prepared):
    clips, _, _ = prepared
    by_name = dict(zip(clips.file_names, clips.source_sizes.tolist(), strict=True))
    assert by_name["0_wide.mp4"] == [32, 64]
    assert np.array_equal(np.unique(clips.bucket_of_row), [0, 1, 2])
