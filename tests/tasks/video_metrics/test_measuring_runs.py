"""`measure_videos` of a run: captions and pairs, what is recorded, and that no video is made twice."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data.video import decode_frames
from heygen_hf.evaluation import Measurement, compute_metrics
from heygen_hf.tasks.generation import load_pipeline, sample_videos, to_uint8
from heygen_hf.tasks.video_metrics import measure_videos


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def captions_of(folder: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for row in rows_of(folder):
        found.setdefault(row["text"], []).append(folder / row["file_name"])
    return found


def test_figures_are_of_the_videos_that_the_model_makes_of_held_out_captions(
    run: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measured = measure_videos(run, ["psnr,temporal_flicker", "fvd"], num_videos=4, allow_too_few=True)

    rows = rows_of(run / "evaluation" / "generated")
    assert [row["seed"] for row in rows] == [40, 41, 42, 43]
    real = captions_of(digits / "test")
    assert all(row["text"] in real for row in rows)
    # the file holds exactly what the pipeline makes of this caption and seed
    pipeline = load_pipeline(run)
    made = to_uint8(
        sample_videos(
            pipeline,
            [row["text"] for row in rows],
            seeds=[row["seed"] for row in rows],
            batch_size=4,
            precision="fp32",
        )
    )
    for file, frames in zip(measured.videos, made, strict=True):
        assert torch.equal(decode_frames(str(file)).frames, frames)
    # each is beside the clip of its caption
    beside = [decode_frames(str(real[row["text"]][0]), max_frames=4).frames for row in rows]
    assert all(len(real[row["text"]]) == 1 for row in rows)
    assert measured.figures["psnr"].value == pytest.approx(compute_metrics(["psnr"], list(made), beside)["psnr"].value)
    assert measured.figures["fvd"].reference_count == 12
    assert measured.figures["fvd"].below_minimum

    written = json.loads((run / "evaluation" / "metrics_fvd-psnr-temporal_flicker_4_videos_seed_40.json").read_text())
    assert list(written["metrics"]) == ["psnr", "temporal_flicker", "fvd"]
    for name, figure in written["metrics"].items():
        assert Measurement.from_dict(figure).value == measured.figures[name].value
        assert figure["provenance"]["versions"]["torch"] == torch.__version__
    assert written["videos"]["first_seed"] == 40
    assert written["videos"]["last_seed"] == 43
    assert written["videos"]["weights"] == rows[0]["weights"]
    assert str(run.parent) not in json.dumps(written)
    assert str(digits.parent) not in json.dumps(written)
    said = capsys.readouterr().out
    assert "psnr ↑" in said
    assert "below the minimum count" in said


def test_videos_that_are_there_are_kept_and_the_others_made(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "videos"

    def measure(**options: int) -> list[Path]:
        return measure_videos(
            run, ["temporal_flicker"], videos_dir=folder, output=tmp_path / "figures.json", **options
        ).videos

    first = measure(num_videos=3, batch_size=2)
    before = [path.stat().st_mtime_ns for path in first]
    bytes_before = [path.read_bytes() for path in first]
    first[1].write_bytes(b"half a video")
    more = measure(num_videos=5)
    assert more[:3] == first
    assert len(more) == 5
    after = [path.stat().st_mtime_ns for path in first]
    assert (after[0], after[2]) == (before[0], before[2])
    assert [path.read_bytes() for path in first] == bytes_before
    assert len(rows_of(folder)) == 5
    # other seeds, others videos
    other = measure(num_videos=2, seed=7)
    assert [row["seed"] for row in rows_of(folder)[:2]] == [7, 8]
    assert other[0].read_bytes() != bytes_before[0]


def test_other_weights_make_other_videos(run: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    before = measure_videos(copy, ["temporal_flicker"], num_videos=2, seed=0).videos[0].read_bytes()
    weights = next((copy / "transformer").glob("*.safetensors"))
    torch.manual_seed(1)
    save_file(
        {name: weight + 0.3 * torch.randn_like(weight) for name, weight in load_file(weights).items()},
        weights,
        metadata={"format": "pt"},
    )
    after = measure_videos(copy, ["temporal_flicker"], num_videos=2, seed=0).videos[0].read_bytes()
    assert after != before


def test_a_folder_of_real_clips_stands_in_for_the_runs_own(run: Path, digits: Path, tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    measured = measure_videos(
        run,
        ["psnr"],
        num_videos=2,
        reference=digits / "validation",
        videos_dir=tmp_path / "videos",
        output=output,
    )
    captions = captions_of(digits / "validation")
    assert all(row["text"] in captions for row in rows_of(tmp_path / "videos"))
    assert json.loads(output.read_text())["references"]["source"] == "validation"
    assert measured.file == output


def test_an_export_without_a_recipe_takes_captions_of_the_reference(run: Path, digits: Path, tmp_path: Path) -> None:
    import shutil

    copy = Path(shutil.copytree(run, tmp_path / "copy", ignore=shutil.ignore_patterns("recipe.yaml", "evaluation")))
    with pytest.raises(ValueError, match=r"psnr compares with real clips.*no recipe.yaml.*--reference"):
        measure_videos(copy, ["psnr"], num_videos=2)
    with pytest.raises(ValueError, match=r"there are none: pass --reference"):
        measure_videos(copy, ["temporal_flicker"], num_videos=2)
    assert not (copy / "evaluation").exists()
    figures = measure_videos(copy, ["psnr"], num_videos=2, reference=digits / "test").figures
    assert figures["psnr"].count == 2


def test_too_few_is_said_before_anything_is_made(run: Path, tmp_path: Path) -> None:
    videos = tmp_path / "videos"
    with pytest.raises(ValueError, match=r"fvd: 2 generated clips, and below 256.*--allow-too-few"):
        measure_videos(run, ["fvd"], num_videos=2, videos_dir=videos)
    with pytest.raises(ValueError, match=r"jedi: 12 reference clips, and below 100.*--allow-too-few"):
        measure_videos(run, ["jedi"], num_videos=100, videos_dir=videos)
    assert not videos.exists()
