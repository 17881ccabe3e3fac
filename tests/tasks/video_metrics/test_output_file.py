"""A file that cannot be written is refused before anything is computed."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.tasks.video_metrics import measure_checkpoints, measure_videos
from heygen_hf.tasks.video_metrics.output_file import require_writable


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"is a folder; give a file in it"):
        require_writable(tmp_path)
    with pytest.raises(ValueError, match=r"lies under file, which is a file"):
        require_writable(tmp_path / "file" / "deeper" / "figures.json")
    with pytest.raises(ValueError, match=r"cannot be written \(File name too long\)"):
        require_writable(tmp_path / (300 * "x"))
    require_writable(tmp_path / "new" / "figures.json")
    require_writable(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="everything may be written to")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ValueError, match=r"may not be written to"):
            require_writable(tmp_path / "figures.json")
    finally:
        tmp_path.chmod(0o700)


def test_it_is_said_before_anything_is_made(run: Path, tmp_path: Path) -> None:
    for options in (["--metrics", "temporal_flicker"], ["--checks", "groups"], []):
        error = CliRunner().invoke(app, ["evaluate", str(run), *options, "--output", str(tmp_path)]).exception
        assert isinstance(error, ValueError)
        assert "is a folder; give a file in it" in str(error)
    for measure in (measure_videos, measure_checkpoints):
        with pytest.raises(ValueError, match=r"is a folder; give a file in it"):
            measure(run, ["temporal_flicker"], num_videos=1, output=tmp_path)
    with pytest.raises(ValueError, match=r"is where the plot would lie"):
        measure_checkpoints(run, ["temporal_flicker"], output=tmp_path / "figures.png")
    assert not (run / "evaluation").exists()


def test_a_results_folder_that_is_a_file_is_said_first(run: Path) -> None:
    (run / "evaluation").write_text("mine")
    try:
        with pytest.raises(ValueError, match=r"lies under evaluation, which is a file"):
            measure_videos(run, ["temporal_flicker"], num_videos=1)
    finally:
        (run / "evaluation").unlink()


def test_the_help_says_where_figures_go() -> None:
    said = CliRunner().invoke(app, ["evaluate", "--help"], env={"COLUMNS": "80", "TERM": "dumb"}).output
    for place in ("checkpoints_….json", "RUN/checks.json", "outputs/USER--NAME@COMMIT"):
        assert place in said
