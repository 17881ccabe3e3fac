"""Columns of a folder's metadata, whatever its captions hold."""

import csv
import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data import write_video
from heygen_hf.tasks.responsible_checks.options import CheckOptions
from heygen_hf.tasks.responsible_checks.subject import videos_of_folder


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_rows_with_line_separators_are_read_whole(tmp_path: Path, kind: str) -> None:
    rows = [{"file_name": f"{i}.mp4", "text": f"a\u2028b\x85c\x0b{i}", "colour": f"red\u2029{i}"} for i in range(2)]
    for row in rows:
        write_video(tmp_path / row["file_name"], torch.zeros(2, 3, 16, 16).byte())
    if kind == "jsonl":
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        (tmp_path / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")
    else:
        with (tmp_path / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([list(rows[0]), *(row.values() for row in rows)])
    found = videos_of_folder(tmp_path, CheckOptions(checks=("groups",), groups=("colour",)))
    assert found.labels == {"colour": ["red\u20290", "red\u20291"]}
    assert found.prompts == [row["text"] for row in rows]
