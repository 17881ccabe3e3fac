"""Metadata files: three formats and two readers give the same rows, and the same complaints."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from heygen_hf.data.sources import load_video_dataset, metadata_arrow

ROWS = [
    {"file_name": "a.mp4", "text": "one, two", "label": "7"},
    {"file_name": "b c.mp4", "text": 'quoted "words"\nand a line ∑', "label": ""},
    {"file_name": "c.mp4", "text": "2020-01-01", "label": "007"},
]


@pytest.fixture(params=["careful", "quick"])
def reader(request, monkeypatch):
    """Both readers; the quick one is for large files otherwise."""
    monkeypatch.setattr(metadata_arrow, "LARGE_BYTES", 0 if request.param == "quick" else 1 << 40)
    return request.param


def write(folder, kind, rows=ROWS):
    path = folder / f"metadata.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    elif kind == "csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_formats_and_readers_agree(kind, reader, tmp_path):
    dataset = load_video_dataset(write(tmp_path, kind), label_columns=["label"])
    assert [{name: row[name] for name in ROWS[0]} for row in dataset] == ROWS


def test_large_files_are_read_quickly(tmp_path, monkeypatch):
    monkeypatch.setattr(metadata_arrow, "LARGE_BYTES", 0)
    for kind in ("jsonl", "csv"):
        path = write(tmp_path, kind) / f"metadata.{kind}"
        found = metadata_arrow.read_quickly(path, ["file_name", "text", "other"])
        assert found is not None
        assert found[1]["text"].to_pylist() == [row["text"] for row in ROWS]
        assert list(found[1]) == ["file_name", "text"]


def test_values_that_are_no_strings_become_some(reader, tmp_path):
    rows = [
        {"file_name": "a.mp4", "text": None, "n": 7},
        {"file_name": "b.mp4", "n": True},
        {"file_name": "c.mp4", "n": 1.5},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    dataset = load_video_dataset(tmp_path, label_columns=["n"])
    assert dataset["text"][:] == ["", "", ""]
    assert dataset["n"][:] == ["7", "True", "1.5"]


def test_a_column_that_only_later_lines_have_is_found(reader, tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.mp4"}\n{"file_name": "b.mp4", "text": "b"}\n')
    assert load_video_dataset(tmp_path)["text"][:] == ["", "b"]


@pytest.mark.parametrize(
    ("kind", "contents", "complaint"),
    [
        ("jsonl", b'{"file_name": "a", "text": "x"}\n{"file_name": ', "line 2 is not JSON"),
        ("jsonl", b'{"file_name": "a", "text": "x"} {"file_name": "b", "text": "y"}\n', "line 1 is not JSON"),
        ("jsonl", b'{"file_name": "a", "text": "x"}\n{"file_name": "a", "text": "\xff"}\n', "line 2 is not UTF-8"),
        ("jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("csv", b"file_name,text\na.mp4,one, two\n", "line 2 has more fields"),
        ("csv", b"file_name,text\na.mp4,caf\xe9\n", "line 2 is not UTF-8"),
        ("csv", b"file_name,text,text\na.mp4,x,y\n", "two columns 'text'; rename one"),
        ("csv", b"file_name,text\n", "has no rows"),
        ("csv", b"", "has no rows"),
        ("parquet", b"not Parquet", "not a Parquet file that can be read"),
    ],
)
def test_complaints_are_one_line_that_names_the_place(kind, contents, complaint, reader, tmp_path):
    (tmp_path / f"metadata.{kind}").write_bytes(contents)
    with pytest.raises(ValueError, match=complaint) as caught:
        load_video_dataset(tmp_path)
    assert "\n" not in str(caught.value)


def test_captions_that_are_no_unicode_are_mended_and_named(reader, tmp_path):
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.mp4", "text": "half a \\ud83d pair"}\n')
    dataset = load_video_dataset(tmp_path)
    assert "\ufffd" in dataset[0]["text"]
    assert "1 rows have no valid Unicode in 'text'" in dataset.info.description
    broken = pa.array([b"caf\xe9"]).view(pa.string())
    (tmp_path / "metadata.jsonl").unlink()
    pq.write_table(pa.table({"file_name": ["a.mp4"], "text": broken}), tmp_path / "metadata.parquet")
    assert load_video_dataset(tmp_path)[0]["text"] == "caf\ufffd"


def test_the_fingerprint_follows_the_contents(tmp_path):
    first = load_video_dataset(write(tmp_path, "jsonl"))._fingerprint
    assert load_video_dataset(tmp_path)._fingerprint == first
    write(tmp_path, "jsonl", [*ROWS[:2], {**ROWS[2], "text": "other"}])
    assert load_video_dataset(tmp_path)._fingerprint != first
