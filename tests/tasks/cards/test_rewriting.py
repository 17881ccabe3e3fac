"""A card is written again from its run's folder, and copied without what must not leave this machine."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.hub.gate.card import check_card
from heygen_hf.hub.repo_folder.exported import Exported
from heygen_hf.tasks.cards import copy_card, refresh_card, rewrite_card
from heygen_hf.tasks.run_folder import RunFolder


def test_a_card_has_the_figures_that_were_added_since(run: Path) -> None:
    card = rewrite_card(run).read_text(encoding="utf-8")
    note = "below the minimum count of 2048: it means little; features: random encoder"
    assert f"| fvd ↓ | all | 150.7 | 148.3 to 153.5 | 256 | 20.48 | {note} |" in card
    assert "256 videos of the captions of tiny, first seed 1000, last seed 1255, references: 2048 of tiny" in card
    assert "### Accuracy by group" in card
    assert "task: text_to_video\noutput_dir: outputs/tiny\n" in card
    for name in RunFolder(run).path.glob("evaluation/metrics_*.json"):
        name.unlink()
    (run / "checks.json").unlink()
    card = rewrite_card(run).read_text(encoding="utf-8")
    assert "fvd" not in card
    assert "## Checked" not in card


def test_a_figure_of_too_few_videos_is_no_result(run: Path) -> None:
    def results() -> str:
        header = yaml.safe_load(rewrite_card(run).read_text(encoding="utf-8").split("---\n")[1])
        return str(header["model-index"])

    file = run / "evaluation" / "metrics_fvd_256_videos_seed_1000.json"
    assert "'name': 'fvd'" not in results()
    assert "| fvd ↓ |" in (run / "README.md").read_text(encoding="utf-8")
    measured = json.loads(file.read_text())
    measured["metrics"]["fvd"] |= {"below_minimum": False, "count": 2048}
    file.write_text(json.dumps(measured))
    assert "'name': 'fvd'" in results()


def test_a_run_that_was_not_evaluated_says_so(run: Path) -> None:
    for path in (run / "metrics.json", run / "checks.json", *run.glob("evaluation/*.json")):
        path.unlink()
    card = rewrite_card(run).read_text(encoding="utf-8")
    assert "Nothing was measured. How good this model is, is unknown." in card
    assert "model-index" not in card


def test_a_card_gets_what_is_measured_later(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = run / "evaluation" / "metrics_fvd_256_videos_seed_1000.json"
    refresh_card(run, figures)
    assert not (run / "README.md").exists()  # an unfinished run has none
    (run / "README.md").write_text("an older one")
    refresh_card(run, tmp_path / "elsewhere.json")
    assert (run / "README.md").read_text() == "an older one"
    refresh_card(run, figures)
    assert "| fvd ↓ |" in (run / "README.md").read_text(encoding="utf-8")
    (run / "recipe.yaml").write_text("task: video_classification\n")
    refresh_card(run, figures)
    said = capsys.readouterr().out
    assert "the card does not have them yet (" in said
    assert f"heygen-hf card {run} writes it again" in said


def test_samples_move(run: Path) -> None:
    card = rewrite_card(run).read_text(encoding="utf-8")
    assert "![Generated videos, in motion](samples/samples.gif)" in card
    assert "1. a red 7 moves left ([video](samples/sample-00.mp4))" in card
    with Image.open(run / "samples" / "samples.gif") as picture:
        assert picture.n_frames == 3
        assert picture.info["duration"] == 120 or picture.info["duration"] == 125


def test_new_weights_leave_no_figures_of_old_ones(run: Path) -> None:
    rewrite_card(run)
    RunFolder(run).drop_results()
    assert sorted(path.name for path in run.rglob("*.json")) == ["model_index.json", "run.json"]
    assert not (run / "README.md").exists()


def test_the_copy_holds_what_the_card_points_to_and_no_secret(run: Path, tmp_path: Path) -> None:
    facts = json.loads((run / "run.json").read_text())
    token = "hf_" + "aB3" * 11
    facts["command"].append(f"hub.token={token}")
    facts["reports"]["train"]["skipped"][0]["reason"] = f"{tmp_path}/data/a.mp4 is truncated"
    (run / "run.json").write_text(json.dumps(facts))
    rewrite_card(run)
    written = copy_card(run, tmp_path / "card")
    assert sorted(path.relative_to(tmp_path / "card").as_posix() for path in written) == [
        "README.md",
        "checks.json",
        "evaluation/metrics_fvd_256_videos_seed_1000.json",
        "evaluation/nearest.png",
        "metrics.json",
        "model_index.json",
        "run.json",
        "samples/sample-00.mp4",
        "samples/sample-01.mp4",
        "samples/samples.gif",
        "samples/samples.png",
    ]
    for path in written:
        if path.suffix in (".json", ".md"):
            text = path.read_text(encoding="utf-8")
            assert token not in text
            assert str(tmp_path) not in text
    assert [check.problem for check in check_card(tmp_path / "card")] == [None] * 4
    # again, of a run with less in it
    (run / "checks.json").unlink()
    rewrite_card(run)
    copy_card(run, tmp_path / "card")
    assert not (tmp_path / "card" / "checks.json").exists()
    assert not (tmp_path / "card" / "evaluation" / "nearest.png").exists()


def test_what_the_card_names_is_published_with_it(run: Path) -> None:
    rewrite_card(run)
    names = Exported(run, "pipeline", {}, {}).files()
    assert {
        "run.json",
        "metrics.json",
        "checks.json",
        "evaluation/metrics_fvd_256_videos_seed_1000.json",
        "evaluation/nearest.png",
        "samples/samples.gif",
    } <= set(names)
    assert len(names) == len(set(names))


def test_the_command_writes_and_copies(run: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["card", str(run), "--copy-to", str(tmp_path / "card")])
    assert result.exit_code == 0, result.output
    assert f"11 files are in {tmp_path / 'card'}" in result.output
    assert (tmp_path / "card" / "README.md").read_text() == (run / "README.md").read_text()


def test_no_run_and_other_folders_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there is no run at .*gone"):
        rewrite_card(tmp_path / "gone")
    with pytest.raises(ValueError, match="holds no card"):
        copy_card(run, tmp_path / "card")
    rewrite_card(run)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").touch()
    with pytest.raises(ValueError, match=r"holds files, and no copied_files\.json"):
        copy_card(run, tmp_path / "thesis")
    (run / "run.json").unlink()
    with pytest.raises(ValueError, match="holds no finished run"):
        rewrite_card(run)
    shutil.rmtree(run)


def test_a_copy_takes_nothing_that_is_not_its_own(run: Path, tmp_path: Path) -> None:
    rewrite_card(run)
    project = tmp_path / "project"
    (project / "samples").mkdir(parents=True)
    for name in ("README.md", "package.json", "samples/mine.mp4"):
        (project / name).write_text("mine")
    with pytest.raises(ValueError, match=r"holds files, and no copied_files\.json"):
        copy_card(run, project)
    # files that were put beside a copy stay, and are not written over
    copied = tmp_path / "card"
    copy_card(run, copied)
    (copied / "package.json").write_text("mine")
    (copied / "samples" / "mine.mp4").write_text("mine")
    copy_card(run, copied)
    (run / "checks.json").rename(tmp_path / "checks.json")
    rewrite_card(run)
    copy_card(run, copied)
    assert not (copied / "checks.json").exists()
    (copied / "checks.json").write_text("mine")
    (tmp_path / "checks.json").rename(run / "checks.json")
    rewrite_card(run)
    with pytest.raises(ValueError, match=r"checks.json was there before and is no copy"):
        copy_card(run, copied)
    for folder, names in (
        (project, ("README.md", "package.json", "samples/mine.mp4")),
        (copied, ("package.json", "samples/mine.mp4", "checks.json")),
    ):
        assert [(folder / name).read_text() for name in names] == ["mine"] * 3
    # a list that names files elsewhere removes none of them
    (copied / "copied_files.json").write_text(json.dumps({"files": ["../project/README.md"]}))
    with pytest.raises(ValueError, match="is no list of files in this folder"):
        copy_card(run, copied)
    assert (project / "README.md").read_text() == "mine"


@pytest.mark.parametrize("target", [".", "card", "samples", ".."])
def test_a_card_is_not_copied_onto_its_own_run(run: Path, target: str) -> None:
    (run.parent / "README.md").write_text("of all runs")
    rewrite_card(run)
    (run / "README.md").write_text("an older one")
    before = {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, ["card", str(run), "--copy-to", str(run / target)])
    assert result.exit_code
    assert "the run's own folder, in it or around it" in str(result.exception) + result.output
    assert {path: path.read_bytes() for path in run.parent.rglob("*") if path.is_file()} == before
