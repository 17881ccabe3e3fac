"""A clip that breaks in mid-training is replaced, always by the same one, and named."""

import pytest
import torch

from heygen_hf.data import load_video_dataset, prepare_clips
from heygen_hf.processing import VideoProcessor


@pytest.fixture
def undecoded_clips(tmp_path, clip_folder):
    """Clips that are decoded whenever they are drawn, and their folder."""
    folder = clip_folder(4, num_frames=8)
    clips, report = prepare_clips(
        load_video_dataset(folder),
        processor=VideoProcessor(num_frames=4, height=16, width=16, frame_position="random"),
        seed=0,
        cache_dir=tmp_path / "cache",
        max_clip_mebibytes=0.001,
        progress=False,
    )
    assert report.num_decoded_each_time == 4
    return clips, folder


def test_a_vanished_clip_is_replaced_by_the_next_and_named(undecoded_clips):
    clips, folder = undecoded_clips
    expected = clips[2]
    (folder / "1.mp4").write_bytes(b"not a video any more")
    first, second = clips[1], clips[1]
    assert torch.equal(first["frames"], expected["frames"])
    assert first["index"] == 2
    assert first["text"] == "clip 2"
    ((name, reason),) = first["problems"]
    assert name == "1.mp4"
    assert "not a readable video" in reason
    assert second["problems"] == first["problems"]
    assert "problems" not in clips[2]


def test_the_last_clip_is_replaced_by_the_first(undecoded_clips):
    clips, folder = undecoded_clips
    (folder / "3.mp4").unlink()
    assert clips[3]["index"] == 0


def test_when_nothing_can_be_read_the_run_stops(undecoded_clips):
    clips, folder = undecoded_clips
    for path in folder.glob("*.mp4"):
        path.unlink()
    with pytest.raises(RuntimeError, match=r"4 clips on end cannot be read, the first being '2.mp4': .*still there"):
        clips[2]
