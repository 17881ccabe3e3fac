"""`run_checks` of a folder of videos: groups by its metadata, and planted copies of training clips."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.tasks.responsible_checks import read_checks, run_checks


def write_videos(folder: Path, clips: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, frames in clips.items():
        write_video(folder / f"{name}.mp4", frames.contiguous(), frame_rate=8.0, lossless=True)
    return folder


def smooth_clips(count: int, *, seed: int, size: int = 16) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        coarse = torch.rand(3, 3, 3, 3, generator=generator)
        whole = torch.nn.functional.interpolate(coarse[None], size=(4, size, size), mode="trilinear")[0]
        made.append((whole.permute(1, 0, 2, 3) * 255).to(torch.uint8))
    return made


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = smooth_clips(40, seed=0)
    return write_videos(tmp_path_factory.mktemp("training"), {f"t{i:02d}": clip for i, clip in enumerate(clips)})


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clips = smooth_clips(30, seed=1)
    return write_videos(tmp_path_factory.mktemp("held_out"), {f"h{i:02d}": clip for i, clip in enumerate(clips)})


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Eight clips of their own, a copy of a training clip, a mirrored one, and one that begins a frame later."""
    own = {f"own{i}": clip for i, clip in enumerate(smooth_clips(8, seed=2))}
    known = smooth_clips(40, seed=0)
    later = torch.cat((known[11][1:], known[11][-1:]))
    return write_videos(tmp_path / "videos", {**own, "copy": known[7], "mirrored": known[9].flip(-1), "later": later})


def test_planted_copies_are_found_and_the_others_are_not_accused(
    videos: Path, training: Path, held_out: Path, tmp_path: Path
) -> None:
    output = tmp_path / "found" / "checks.json"
    (check,) = run_checks(videos, ["memorization"], training_data=training, reference=held_out, output=output)
    for network in ("pixels", "features"):
        pairs = check.details["nearest_pairs"][network]
        found = {pair["video"]: pair for pair in pairs[:2]}
        assert set(found) == {"copy.mp4", "mirrored.mp4"}
        assert found["copy.mp4"]["training_clip"] == "t07.mp4"
        assert found["copy.mp4"]["view"] == "as it is"
        assert found["mirrored.mp4"]["training_clip"] == "t09.mp4"
        assert found["mirrored.mp4"]["view"] == "mirrored"
        for pair in found.values():
            assert pair["distance"] == pytest.approx(0, abs=1e-4)
            assert pair["ratio_to_next"] < 0.01
            assert pair["held_out_share_nearer"] == 0
        assert pairs[2]["distance"] > 0.01
    late = next(pair for pair in check.details["nearest_pairs"]["pixels"] if pair["video"] == "later.mp4")
    assert (late["training_clip"], late["view"]) == ("t11.mp4", "a frame earlier")
    assert late["held_out_share_nearer"] == 0
    for figure in check.figures:
        assert figure.count == 11
        assert figure.reference_count == 30
        assert figure.details["nearer_than_all_held_out"] >= 2
        assert figure.details["nearer"] <= 5
        assert figure.provenance.options["training_clips"] == 40
        assert isinstance(figure.provenance.features, dict)
        assert figure.provenance.features["weights_hash"]
    assert "copies" in check.summary or "nearer than every held-out clip" in check.summary
    written = read_checks(output)["memorization"]
    assert (output.parent / written["files"][0]).read_bytes().startswith(b"\x89PNG")
    assert str(tmp_path) not in json.dumps(written)
    assert written["details"]["training"] == {"source": training.name, "count": 40}


def test_without_held_out_clips_there_are_only_distances(videos: Path, training: Path) -> None:
    (check,) = run_checks(videos, ["memorization"], training_data=training)
    assert not check.figures
    assert check.files == []
    assert any("no held-out clips" in note for note in check.notes)
    assert check.details["nearest_pairs"]["pixels"][0]["held_out_share_nearer"] is None


def test_the_group_that_flickers_is_named(tmp_path: Path) -> None:
    clips = smooth_clips(24, seed=3)
    for number in range(0, 24, 3):
        clips[number] = clips[number].clone()
        clips[number][1::2] = 255 - clips[number][1::2]
    folder = write_videos(tmp_path / "videos", {f"{i:02d}": clip for i, clip in enumerate(clips)})
    rows = [{"file_name": f"{i:02d}.mp4", "text": "x", "camera": "abc"[i % 3], "odd": i % 2} for i in range(24)]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    output = tmp_path / "checks.json"
    (check,) = run_checks(folder, ["groups"], groups=["camera,odd"], metrics=["temporal_flicker"], output=output)
    by_column = {figure.details["group_column"]: figure for figure in check.figures}
    worst = by_column["camera"]
    assert worst.details["group"] == "a"
    assert worst.count == 8
    assert worst.details["is_more_than_chance"]
    assert worst.details["gap"] > 0
    assert not by_column["odd"].details["is_more_than_chance"]
    assert "camera a" in check.summary
    # the same of a table
    (folder / "metadata.jsonl").unlink()
    lines = ["file_name,text,camera"] + [f"{row['file_name']},x,{row['camera']}" for row in rows]
    (folder / "metadata.csv").write_text("\n".join(lines))
    (again,) = run_checks(folder, ["groups"], groups=["camera"], metrics=["temporal_flicker"])
    assert again.figures[0].value == worst.value


@pytest.mark.parametrize(
    ("checks", "options", "said"),
    [
        ("groups", {}, r"name some with --groups"),
        ("groups", {"groups": ["camera"]}, r"--groups camera: copy.mp4 of videos has no value in it"),
        ("paraphrase", {}, r"paraphrase makes videos with a model"),
        ("corruption", {}, r"corruption makes videos with a model"),
        ("memorization", {}, r"nothing says where they are: pass --training-data FOLDER"),
        ("memorization", {"seed": 1}, r"--seed is of videos that a run makes"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(videos: Path, checks: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        run_checks(videos, [checks], **options)
    assert "\n" not in str(caught.value)


def test_training_clips_of_another_size_are_refused(videos: Path, tmp_path: Path) -> None:
    other = write_videos(tmp_path / "other", {"a": smooth_clips(1, seed=0, size=20)[0]})
    with pytest.raises(ValueError, match=r"mixed clips: training clip 0 has .*20x20"):
        run_checks(videos, ["memorization"], training_data=other)


def test_what_was_found_before_an_interruption_is_kept(
    videos: Path, training: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = sorted(path.name for path in videos.glob("*.mp4"))
    rows = [json.dumps({"file_name": name, "text": "x", "half": i % 2}) for i, name in enumerate(names)]
    (videos / "metadata.jsonl").write_text("\n".join(rows))
    output = tmp_path / "checks.json"
    (training / "broken.mp4").write_bytes(b"no video")  # the second check ends here
    try:
        with pytest.raises(ValueError, match=r"broken\.mp4"):
            run_checks(
                videos,
                ["groups", "memorization"],
                groups=["half"],
                metrics=["temporal_flicker"],
                training_data=training,
                output=output,
            )
    finally:
        (training / "broken.mp4").unlink()
    assert list(read_checks(output)) == ["groups"]
    assert read_checks(output)["groups"]["summary"] in capsys.readouterr().out


def test_an_output_that_cannot_be_written_is_noticed_first(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output, said in ((tmp_path, "is a folder; give a file"), (tmp_path / "file" / "x.json", "file is no folder")):
        with pytest.raises(ValueError, match=said):
            run_checks(videos, ["groups"], groups=["no such column"], output=output)
