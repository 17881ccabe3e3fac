"""Which size a clip gets: nearest aspect, largest, longest, and never enlarged unasked."""

import pytest

from heygen_hf.data import Bucket, BucketSet, make_buckets
from heygen_hf.processing import VideoProcessor


def bucket_set(*sizes, upscale=False, **fields) -> BucketSet:
    return BucketSet(VideoProcessor(**fields), [Bucket(*size) for size in sizes], upscale=upscale)


def assigned(buckets: BucketSet, total_frames: int, height: int, width: int, frame_rate: float = 24) -> str:
    index = buckets.assign(total_frames=total_frames, frame_rate=frame_rate, height=height, width=width)
    return str(buckets.buckets[index])


@pytest.mark.parametrize(
    ("frames", "height", "width", "expected"),
    [
        (40, 128, 128, "16x64x64"),
        (40, 100, 200, "16x48x96"),
        (40, 200, 100, "16x96x48"),
        (10, 100, 200, "8x48x96"),  # too short for 16
        (3, 128, 128, "8x64x64"),  # shorter than all: the shortest, filled up
        (40, 60, 130, "16x48x96"),  # 64x64 would have to be enlarged
        (40, 32, 32, "16x32x32"),
    ],
)
def test_a_clip_gets_the_nearest_size_that_it_fills(frames, height, width, expected):
    sizes = [(f, h, w) for f in (8, 16) for h, w in ((64, 64), (48, 96), (96, 48), (32, 32))]
    assert assigned(bucket_set(*sizes), frames, height, width) == expected


def test_nothing_is_enlarged_unless_asked():
    with pytest.raises(ValueError, match=r"too small: 20x100 .* the smallest being 32x32; add a smaller one, or set"):
        assigned(bucket_set((8, 64, 64), (8, 32, 32)), 8, 20, 100)
    assert assigned(bucket_set((8, 64, 64), (8, 32, 32), upscale=True), 8, 20, 20) == "8x64x64"
    # "contain" leaves bars beside a clip that is narrower than the frame, without enlarging it
    assert assigned(bucket_set((8, 64, 64), resize_mode="contain"), 8, 64, 20) == "8x64x64"


def test_the_target_rate_counts_in_how_long_a_clip_is():
    buckets = bucket_set((8, 32, 32), (16, 32, 32), target_fps=8.0)
    assert assigned(buckets, 30, 64, 64, frame_rate=30) == "8x32x32"  # one second has 8 frames at 8 a second
    assert assigned(buckets, 30, 64, 64, frame_rate=10) == "16x32x32"


def test_every_size_has_a_processor_of_its_own():
    buckets = bucket_set((8, 32, 32), (4, 64, 32), frame_position="center")
    assert [(p.num_frames, p.height, p.width, p.frame_position) for p in buckets.processors] == [
        (8, 32, 32, "center"),
        (4, 64, 32, "center"),
    ]


def test_make_buckets_keeps_the_area_and_the_divisor():
    buckets = make_buckets(resolutions=[256], aspects=["1:1", "16:9", "9:16"], num_frames=[9, 17], multiple_of=16)
    assert [str(bucket) for bucket in buckets] == [
        "9x192x336",
        "9x256x256",
        "9x336x192",
        "17x192x336",
        "17x256x256",
        "17x336x192",
    ]


def test_impossible_sizes_are_refused():
    with pytest.raises(ValueError, match="no buckets"):
        BucketSet(VideoProcessor(), [])
    with pytest.raises(ValueError, match="at least 1"):
        Bucket(8, 0, 32)
    with pytest.raises(ValueError, match="'16/9' is not width:height"):
        make_buckets(resolutions=[64], aspects=["16/9"], num_frames=[8])
    with pytest.raises(ValueError, match="resolutions is empty"):
        make_buckets(resolutions=[], aspects=["1:1"], num_frames=[8])
