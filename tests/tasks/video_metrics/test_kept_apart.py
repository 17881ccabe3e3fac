"""What is measured in another way has files and videos of its own, and only one evaluation makes videos at a time."""

import json
from pathlib import Path

import pytest

from heygen_hf.tasks.generation import load_pipeline
from heygen_hf.tasks.video_metrics import measure_videos
from heygen_hf.tasks.video_metrics.generating import WantedVideo, make_videos, sampling_facts
from heygen_hf.tasks.video_metrics.report import default_file
from heygen_hf.training.checkpoints import lock


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.mp4")}


def test_other_seeds_and_captions_have_videos_of_their_own(run: Path, digits: Path) -> None:
    results = run / "evaluation"
    first = measure_videos(run, ["psnr"], num_videos=3)
    assert {path.parent for path in first.videos} == {results / "generated"}
    before = stamps(results / "generated")
    other = measure_videos(run, ["psnr"], num_videos=2, seed=7)
    assert {path.parent for path in other.videos} == {results / "generated_seed_7"}
    clips = measure_videos(run, ["psnr"], num_videos=2, reference=digits / "validation")
    assert clips.videos[0].parent.name.startswith("generated_of_")
    assert stamps(results / "generated") == before
    # the run's own seed by its number is the same
    same = measure_videos(run, ["psnr"], num_videos=3, seed=40)
    assert same.videos == first.videos
    assert same.file == first.file
    assert stamps(results / "generated") == before
    assert len({first.file, other.file, clips.file}) == 3
    written = [json.loads(found.file.read_text())["references"] for found in (first, clips) if found.file]
    assert written[0]["hash"] != written[1]["hash"]


def test_the_default_name_holds_what_was_asked_for(tmp_path: Path) -> None:
    def name(**options: object) -> str:
        return default_file(tmp_path, ["fvd"], num_videos=4, seed=1, **options).name  # type: ignore[arg-type]

    assert name() == "metrics_fvd_4_videos_seed_1.json"
    names = {name(), name(reference="ab"), name(reference="cd"), name(features=["x"]), name(features=["y"])}
    assert len(names | {name(reference="ab", features=["x"])}) == 6
    assert name(features=["fid=a", "b"]) == name(features=["b", "fid=a"])
    assert all(each.startswith("metrics_fvd_4_videos_seed_1") for each in names)


def test_one_evaluation_at_a_time_makes_videos(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0)
    pipeline = load_pipeline(run, device="cpu")
    facts = sampling_facts(pipeline, precision="fp32")
    folder = tmp_path / "videos"

    def make() -> list[Path]:
        return make_videos(pipeline, [WantedVideo("a red 7", 0)], folder=folder, facts=facts, batch_size=1)

    folder.mkdir()
    with lock.only_writer(folder), pytest.raises(ValueError, match=r"another heygen-hf evaluate makes videos in"):
        make()
    assert not list(folder.iterdir())
    assert [path.name for path in make()] == ["00000.mp4"]
    (folder / "00001.mp4").write_text("mine")
    with pytest.raises(ValueError, match=r"has not made \(00001.mp4"):
        make()
