"""Captions of a folder's videos, wherever they lie."""

from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.tasks.video_metrics.given_videos import given_videos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "more").mkdir()
    for name in ("a.mp4", "b.mp4", "more/c.mp4"):
        write_video(tmp_path / name, torch.zeros(2, 3, 16, 16).byte())
    return tmp_path


def captions(folder: Path) -> list[str] | None:
    return given_videos(folder, num_videos=None)[1]


def test_text_files_beside_the_videos(folder: Path) -> None:
    assert captions(folder) is None
    for name, text in (("a", "a red 7\n"), ("b", "\ufeffa blue 1\nmoves up"), ("more/c", "\n")):
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    assert captions(folder) is None  # one is empty
    (folder / "more" / "c.txt").write_text("a green 3")
    assert captions(folder) == ["a red 7", "a blue 1\nmoves up", "a green 3"]


def test_tables_come_first_and_may_be_mixed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ['{"file_name": "a.mp4", "text": "from jsonl"}', "no json", '{"file_name": "b.mp4", "problem": true}']
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    table = 'file_name,text\na.mp4,from csv\nb.mp4,"one, two\nthree"\n'
    (folder / "metadata.csv").write_text(table)
    (folder / "b.txt").write_text("beside b")
    (folder / "more" / "c.txt").write_text("beside c")
    assert captions(folder) == ["from jsonl", "one, two\nthree", "beside c"]
    assert "metadata.jsonl line 2 cannot be read" in capsys.readouterr().out
