"""`measure_videos` of a folder of videos, and what is refused in one line."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.evaluation import VideoFiles, compute_metrics
from heygen_hf.tasks.video_metrics import measure_videos


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return write_videos(tmp_path / "videos", seed=0)


def write_videos(folder: Path, *, seed: int, count: int = 3, size: int = 16, frame_rate: float = 8.0) -> Path:
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    for number in range(count):
        frames = torch.randint(0, 256, (4, 3, size, size), generator=generator).byte()
        write_video(folder / f"{number}.mp4", frames, frame_rate=frame_rate, lossless=True)
    return folder


def test_a_folder_is_measured_as_it_is(videos: Path, tmp_path: Path) -> None:
    real = write_videos(tmp_path / "real", seed=1)
    before = sorted(path.name for path in videos.iterdir())
    output = tmp_path / "figures.json"
    measured = measure_videos(videos, ["psnr", "temporal_flicker"], reference=real, output=output)
    alone = compute_metrics(["psnr", "temporal_flicker"], VideoFiles(videos), VideoFiles(real))
    for name, figure in alone.items():
        assert measured.figures[name].value == figure.value
    written = json.loads(output.read_text())
    assert written["videos"]["hash"] == VideoFiles(videos).content_hash()
    assert written["references"]["hash"] == VideoFiles(real).content_hash()
    assert sorted(path.name for path in videos.iterdir()) == before
    assert measure_videos(videos, ["temporal_flicker"], num_videos=2).figures["temporal_flicker"].count == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": ["psnrr"]}, r"there is no metric 'psnrr'; did you mean psnr"),
        ({"metrics": [","]}, r"--metrics names none"),
        ({"metrics": ["psnr"]}, r"psnr compares with real clips: pass --reference FOLDER"),
        ({"metrics": ["clip_score"]}, r"clip_score compares videos with their prompts"),
        ({"metrics": ["is"]}, r"is needs a classifier.*--features is="),
        ({"metrics": ["psnr"], "features": ["fid=x"]}, r"fid is not among --metrics"),
        ({"metrics": ["psnr"], "features": ["x"]}, r"none of --metrics, which look at pixels alone"),
        ({"metrics": ["fid,identity_similarity"], "features": ["x"]}, r"write whose it is"),
        ({"metrics": ["temporal_consistency"], "features": ["no/such folder"]}, r"no features load from"),
        ({"metrics": ["temporal_flicker"], "seed": 1}, r"--seed is of videos that a run makes"),
        ({"metrics": ["temporal_flicker"], "num_videos": 9}, r"holds 3 videos, fewer than --num-videos 9"),
    ],
)
def test_what_cannot_be_is_refused(videos: Path, tmp_path: Path, options: dict, said: str) -> None:
    output = tmp_path / "figures.json"
    with pytest.raises(ValueError, match=said) as caught:
        measure_videos(videos, output=output, **options)
    assert "\n" not in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({"size": 18}, r"mixed clips: reference clip 0 has .*18x18.*resize all to one size"),
        ({"frame_rate": 25.0}, r"mixed clips: reference clip 0 has .*at 25 frames/s.*bring all to one rate"),
        ({"count": 2}, r"there are 3 videos and 2 references"),
    ],
)
def test_references_of_another_kind_are_refused(videos: Path, tmp_path: Path, made: dict, said: str) -> None:
    real = write_videos(tmp_path / "real", seed=1, **made)
    output = tmp_path / "figures.json"
    with pytest.raises(ValueError, match=said):
        measure_videos(videos, ["psnr"], reference=real, output=output)
    assert not output.exists()


def test_places_without_anything_to_measure_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is nothing at .*none"):
        measure_videos(tmp_path / "none", ["psnr"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no video"):
        measure_videos(tmp_path / "empty", ["temporal_flicker"])
    unfinished = tmp_path / "run"
    (unfinished / "checkpoints").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"holds no exported model .*its training has not finished"):
        measure_videos(unfinished, ["temporal_flicker"])
