"""What is written opens again as the same rows, complete or not at all."""

import errno

import datasets
import pyarrow.parquet as pq
import pytest

from heygen_hf.data.sources import (
    export_to_parquet,
    export_to_webdataset,
    has_split,
    load_video_dataset,
    open_video_shards,
    prepare_for_hub,
)

LABELS = {"label_columns": ["digit"]}


@pytest.mark.parametrize("export", [export_to_parquet, export_to_webdataset])
@pytest.mark.parametrize("kind", ["folder", "parquet", "tars"])
def test_a_round_trip_gives_the_same_rows(export, kind, sources, rows, contents, tmp_path):
    report = export(open_video_shards(sources[kind], **LABELS), tmp_path / "out", rows_per_shard=3)
    assert len(report.paths) == 3
    assert (report.num_rows, report.skipped) == (7, [])
    assert report.num_bytes == sum(len(row["bytes"]) for row in rows)
    for streaming in (False, True):
        again = list(load_video_dataset(tmp_path / "out", streaming=streaming, **LABELS))
        assert [contents(row) for row in again] == [row["bytes"] for row in rows]
        assert [(row["text"], row["digit"]) for row in again] == [(row["text"], str(row["digit"])) for row in rows]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.rpartition("/")[2] for path in report.paths
    )


def test_parquet_is_what_datasets_reads_by_split_with_small_row_groups(sources, tmp_path, monkeypatch, contents, rows):
    monkeypatch.setattr("heygen_hf.data.sources.export.ROW_GROUP_BYTES", 1)
    dataset = load_video_dataset(sources["folder"], **LABELS)
    report = export_to_parquet(dataset.select(range(5)), tmp_path / "out")
    export_to_parquet(dataset.select([5, 6]), tmp_path / "out", split="validation")
    assert pq.ParquetFile(report.paths[0]).metadata.num_row_groups == 5
    held = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in held.items()} == {"train": 5, "validation": 2}
    assert held["train"].features["video"] == datasets.Video(decode=False)
    assert has_split(tmp_path / "out", "validation")
    assert not has_split(tmp_path / "out", "test")
    validation = load_video_dataset(tmp_path / "out", split="validation", streaming=True)
    assert [contents(row) for row in validation] == [row["bytes"] for row in rows[5:]]
    with pytest.raises(ValueError, match="no split 'test'; it has train, validation"):
        load_video_dataset(tmp_path / "out", split="test")


@pytest.mark.parametrize("export", [export_to_parquet, export_to_webdataset])
def test_clips_that_cannot_be_read_are_counted_and_named(export, tmp_path, write_metadata):
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "good.mp4").write_bytes(b"good")
    (folder / "empty.mp4").touch()
    names = ["good.mp4", "missing.mp4", "../../etc/passwd", "empty.mp4"]
    write_metadata(folder, [{"file_name": name, "text": "x"} for name in names])
    dataset = load_video_dataset(folder)
    report = export(dataset, tmp_path / "out")
    assert report.num_rows == len(load_video_dataset(tmp_path / "out")) == 1
    assert [name for name, _ in report.skipped] == names[1:]
    assert "there is no file" in report.skipped[0][1]
    assert "leaves the folder" in report.skipped[1][1]
    assert "3 clips cannot be read" in report.summary()
    with pytest.raises(ValueError, match="none of the 3 clips can be read"):
        export(dataset.select([1, 2, 3]), tmp_path / "nothing")
    assert not list((tmp_path / "nothing").iterdir())


def test_a_full_disk_leaves_the_old_files(sources, tmp_path, monkeypatch):
    dataset = load_video_dataset(sources["folder"])
    export_to_parquet(dataset.select([0]), tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(*arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(ValueError, match=r"cannot be written \(No space left on device\); make room"):
        export_to_parquet(dataset, tmp_path / "out")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_data_set_for_the_hub_holds_its_bytes(sources, rows, tmp_path):
    dataset = prepare_for_hub(load_video_dataset(sources["folder"], **LABELS))
    assert [row["video"] for row in dataset] == [{"bytes": row["bytes"], "path": row["name"]} for row in rows]
    dataset.to_parquet(str(tmp_path / "pushed" / "data.parquet"))
    again = load_video_dataset(str(tmp_path / "pushed" / "data.parquet"), **LABELS)
    assert list(again) == list(dataset)


def test_sound_travels_with_the_clip(tmp_path, write_tar):
    write_tar(
        tmp_path / "in.tar", {"1.mp4": b"clip", "1.wav": b"sound", "1.txt": "a", "2.mp4": b"silent", "2.txt": "b"}
    )
    export_to_webdataset(open_video_shards(tmp_path / "in.tar"), tmp_path / "tars")
    export_to_parquet(open_video_shards(tmp_path / "tars" / "*.tar"), tmp_path / "parquet")
    rows = list(load_video_dataset(tmp_path / "parquet"))
    assert [(row["audio"]["bytes"], row["video"]["bytes"]) for row in rows] == [(b"sound", b"clip"), (None, b"silent")]
