"""Speed and direction change which frames of the file are shown, before they are read."""

import itertools

import pytest
import torch

from heygen_hf.data import VideoAugmentation, load_video_dataset, prepare_clips, write_video
from heygen_hf.processing import VideoProcessor


@pytest.fixture
def numbered(tmp_path, write_metadata):
    """A clip whose frame n is grey of level 8 n."""
    folder = tmp_path / "clips"
    folder.mkdir()
    levels = (8 * torch.arange(24)).to(torch.uint8)
    frames = levels[:, None, None, None].expand(24, 3, 16, 16).contiguous()
    write_video(folder / "0.mp4", frames, lossless=True, frame_rate=10)
    write_metadata(folder, [{"file_name": "0.mp4", "text": "grey"}])

    def shown(num_frames: int, *, epochs: int = 6, augmentation=None, **fields) -> list[list[int]]:
        limit = fields.pop("max_clip_mebibytes", 32.0)
        clips, _ = prepare_clips(
            load_video_dataset(folder),
            processor=VideoProcessor(
                **{"num_frames": num_frames, "height": 16, "width": 16, "frame_position": "random"} | fields
            ),
            seed=0,
            cache_dir=tmp_path / "cache",
            augmentation=augmentation,
            max_clip_mebibytes=limit,
            progress=False,
        )
        drawn = [clips.fetch([0], epoch=epoch)[0]["frames"][:, 0, 0, 0] for epoch in range(epochs)]
        return [(frames.long() // 8).tolist() for frames in drawn]

    return shown


def test_a_faster_clip_shows_later_frames_and_no_still(numbered):
    faster = VideoAugmentation(speed_prob=1.0, speed_range=(2.0, 2.0))
    for frames in numbered(6, augmentation=faster):
        assert [later - earlier for earlier, later in itertools.pairwise(frames)] == [2] * 5


def test_a_reversed_clip_runs_backwards_through_the_same_span(numbered):
    backwards = VideoAugmentation(reverse_prob=1.0)
    starts = set()
    for frames in numbered(6, augmentation=backwards):
        assert frames == list(range(frames[0], frames[0] - 6, -1))
        starts.add(frames[0])
    assert len(starts) > 1


def test_a_clip_too_short_for_the_speed_is_moved_within_itself(numbered):
    for frames in numbered(20, augmentation=VideoAugmentation(speed_prob=1.0, speed_range=(2.0, 2.0))):
        assert len(frames) == 20
        assert frames == sorted(frames)


def test_a_target_rate_draws_the_same_whether_the_clip_is_held_or_not(numbered):
    held = numbered(4, target_fps=4.0)
    undecoded = numbered(4, target_fps=4.0, max_clip_mebibytes=0.0001)
    assert held == undecoded
    assert {later - earlier for frames in held for earlier, later in itertools.pairwise(frames)} <= {2, 3}
