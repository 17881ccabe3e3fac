"""Captions of a folder's videos, wherever they lie."""

import csv
import json
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


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e"])
def test_what_python_takes_for_a_line_end_stays_in_a_caption(folder: Path, end: str) -> None:
    text = f"a red{end}7, and more"
    (folder / "metadata.jsonl").write_text(
        json.dumps({"file_name": "a.mp4", "text": text}, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["file_name", "text"], ["b.mp4", text], ["more/c.mp4", text.replace(",", "")]])
    assert captions(folder) == [text, text, text.replace(",", "")]


def test_a_table_that_is_no_csv_is_refused(folder: Path) -> None:
    (folder / "metadata.csv").write_text("file_name,text\na.mp4," + 200_000 * "x")
    with pytest.raises(ValueError, match=r"metadata.csv line \d is not CSV"):
        captions(folder)
