import numpy as np
import pytest
import torch
from PIL import Image

from heygen_hf.hub import write_sample_strips


def video(frames=3, channels=3, height=8, width=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, channels, height, width), dtype=torch.uint8, generator=generator)


def find(sheet: np.ndarray, frame: torch.Tensor, scale: int) -> list[tuple[int, int]]:
    """Where a frame lies in the sheet, pixel for pixel."""
    enlarged = frame.permute(1, 2, 0).numpy().repeat(scale, 0).repeat(scale, 1)
    height, width, _ = enlarged.shape
    return [
        (y, x)
        for y in range(sheet.shape[0] - height + 1)
        for x in range(sheet.shape[1] - width + 1)
        if np.array_equal(sheet[y, x], enlarged[0, 0])
        and np.array_equal(sheet[y : y + height, x : x + width], enlarged)
    ]


def test_rows_are_videos_and_columns_are_frames(tmp_path):
    videos = [video(seed=0), video(seed=1)]
    path = write_sample_strips(tmp_path / "deep" / "strips.png", videos, ["one", "two"], scale=2)
    sheet = np.asarray(Image.open(path))
    places = [[find(sheet, frame, 2) for frame in clip] for clip in videos]
    assert all(len(place) == 1 for row in places for place in row)
    for row in places:
        assert len({place[0][0] for place in row}) == 1  # one height
        assert [place[0][1] for place in row] == sorted(place[0][1] for place in row)
    assert places[0][0][0][0] < places[1][0][0][0]
    assert [entry.name for entry in path.parent.iterdir()] == ["strips.png"]


def test_prompts_are_drawn(tmp_path):
    clips = [video()]
    one = np.asarray(Image.open(write_sample_strips(tmp_path / "a.png", clips, ["a red 7"])))
    other = np.asarray(Image.open(write_sample_strips(tmp_path / "b.png", clips, ["a blue 1"])))
    assert one.shape == other.shape
    assert (one != other).any()


@pytest.mark.parametrize(
    "prompt",
    ["", "x" * 100_000, "line\nbreak \x00 \x1b[31m", "猫が走る 🐈 \u202e"],
    ids=["empty", "long", "control", "cjk"],
)
def test_any_prompt_can_be_drawn(tmp_path, prompt):
    path = write_sample_strips(tmp_path / "a.png", [video()], [prompt], scale=3)
    with Image.open(path) as sheet:
        assert sheet.width == 3 * (10 * 3) + 2 * 2 + 2 * 2


def test_long_videos_are_thinned_out_with_both_ends_kept(tmp_path):
    clip = video(frames=9)
    sheet = np.asarray(Image.open(write_sample_strips(tmp_path / "a.png", [clip], ["x"], scale=1, max_columns=3)))
    shown = [index for index in range(9) if find(sheet, clip[index], 1)]
    assert shown == [0, 4, 8]


def test_grey_videos_and_different_lengths(tmp_path):
    clips = [video(frames=2, channels=1), video(frames=5)]
    sheet = np.asarray(Image.open(write_sample_strips(tmp_path / "a.png", clips, ["grey", "colour"], scale=1)))
    assert len(find(sheet, clips[0][1].expand(3, -1, -1), 1)) == 1


@pytest.mark.parametrize(
    ("clips", "prompts", "message"),
    [
        ([], [], "0 videos and 0 prompts"),
        ([video()], ["a", "b"], "one prompt a video"),
        ([video().float()], ["a"], r"use processor\.to_uint8"),
        ([video()[0]], ["a"], r"expected uint8 \(frames"),
    ],
)
def test_wrong_input_says_what_was_expected(tmp_path, clips, prompts, message):
    with pytest.raises(ValueError, match=message):
        write_sample_strips(tmp_path / "a.png", clips, prompts)
