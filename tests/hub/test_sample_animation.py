"""Videos side by side in one picture that moves."""

import numpy as np
import pytest
import torch
from PIL import Image

from heygen_hf.hub import write_sample_animation


def video(level: int, *, frames: int = 3, size: int = 8) -> torch.Tensor:
    return torch.full((frames, 3, size, size), level, dtype=torch.uint8)


def test_videos_run_side_by_side_and_the_shorter_one_waits(tmp_path):
    moving = torch.stack([video(level, frames=1)[0] for level in (0, 120, 240)])
    videos = [moving, video(60, frames=1), video(200)]
    path = write_sample_animation(tmp_path / "deep" / "samples.gif", videos, frame_rate=8, max_columns=2)
    with Image.open(path) as picture:
        assert picture.n_frames == 3
        assert picture.info["loop"] == 0
        assert picture.size == (2 + 2 * (24 + 2), 2 + 2 * (24 + 2))  # 8 pixels three times enlarged, two by two
        for place, level in enumerate((0, 120, 240)):
            picture.seek(place)
            shown = np.asarray(picture.convert("RGB")).astype(int)
            assert abs(shown[14, 14] - level).max() <= 8
            assert abs(shown[14, 40] - 60).max() <= 8
            assert abs(shown[40, 14] - 200).max() <= 8


def test_grey_videos_and_long_ones(tmp_path):
    grey = torch.arange(250, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4)
    with Image.open(write_sample_animation(tmp_path / "a.gif", [grey], frame_rate=30)) as picture:
        assert picture.n_frames == 100


@pytest.mark.parametrize(
    ("videos", "frame_rate", "message"),
    [
        ([], 8, "no videos given"),
        ([torch.zeros(2, 3, 4, 4)], 8, "expected uint8"),
        ([video(1)], 0, "frame_rate=0 must be above 0"),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, videos, frame_rate, message):
    with pytest.raises(ValueError, match=message):
        write_sample_animation(tmp_path / "a.gif", videos, frame_rate=frame_rate)
    assert not list(tmp_path.iterdir())
