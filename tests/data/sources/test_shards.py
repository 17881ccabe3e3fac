"""Every kind of source gives the same rows: at once, streamed, by number, in other processes, and after a stop."""

import pickle

import datasets
import pytest
import torch
from datasets.distributed import split_dataset_by_node

from heygen_hf.data.sources import load_video_dataset, open_video_shards

KINDS = ("folder", "parquet", "tars")


def strings(row: dict) -> tuple:
    return row["text"], row["digit"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_ways_to_open_give_the_same_rows(kind, sources, rows, contents):
    options = {"label_columns": ["digit"]}
    dataset = load_video_dataset(sources[kind], **options)
    stream = load_video_dataset(sources[kind], streaming=True, **options)
    shards = open_video_shards(sources[kind], **options)
    assert isinstance(dataset, datasets.Dataset)
    assert isinstance(stream, datasets.IterableDataset)
    assert stream.features == dataset.features == shards.features
    assert dataset.features["video"] == datasets.Video(decode=False)
    assert dataset.column_names == ["video", "text", "digit", "file_name"]
    for opened in (list(dataset), list(stream), list(shards)):
        assert [contents(row) for row in opened] == [row["bytes"] for row in rows]
        assert [strings(row) for row in opened] == [(row["text"], str(row["digit"])) for row in rows]
    assert list(dataset) == list(stream) == list(shards)
    assert len(set(dataset["file_name"])) == len(rows)


def test_file_names_say_where_a_row_is(sources, write_parquet, tmp_path):
    assert open_video_shards(sources["tars"])[4]["file_name"] == "1.tar/4.mp4"
    assert open_video_shards(sources["parquet"])[4]["file_name"] == "4.mp4"
    path = write_parquet(tmp_path / "bytes.parquet", [{"mp4": b"x", "text": "a"}, {"mp4": b"y", "text": "b"}])
    assert [row["file_name"] for row in open_video_shards(path)] == ["bytes.parquet:0", "bytes.parquet:1"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_read_by_number_in_any_order_and_process(kind, sources, rows, contents):
    shards = open_video_shards(sources[kind])
    assert sum(shards.num_rows_per_shard) == len(shards) == len(rows)
    assert len(shards.shard_names) == len(set(shards.shard_names)) == len(shards.num_rows_per_shard)
    wanted = [6, 0, 3, 3, -1, 1]
    expected = [rows[index]["bytes"] for index in wanted]
    assert [contents(row) for row in shards.read(wanted)] == expected
    assert [contents(row) for row in pickle.loads(pickle.dumps(shards)).read(wanted)] == expected
    assert shards.read_columns(["file_name", "text"]).to_pylist() == [
        {"file_name": row["file_name"], "text": row["text"]} for row in shards
    ]
    with pytest.raises(IndexError):
        shards[7]
    with pytest.raises(ValueError, match="'video' is no column of strings"):
        shards.read_columns(["video"])


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_and_workers_share_the_shards(kind, sources, rows):
    stream = load_video_dataset(sources[kind], streaming=True)
    assert stream.num_shards == len(open_video_shards(sources[kind]).num_rows_per_shard) > 1
    expected = sorted(row["text"] for row in rows)
    nodes = [[row["text"] for row in split_dataset_by_node(stream, rank=rank, world_size=2)] for rank in (0, 1)]
    assert sorted(nodes[0] + nodes[1]) == expected
    assert nodes[0]
    assert nodes[1]
    loader = torch.utils.data.DataLoader(stream, batch_size=None, num_workers=2)
    assert sorted(row["text"] for row in loader) == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("epoch", [0, 2])
def test_a_stream_resumes_at_the_next_row(kind, epoch, sources):
    stream = load_video_dataset(sources[kind], streaming=True)
    stream.set_epoch(epoch)
    straight = [row["text"] for row in stream]
    for stop in range(1, 7):
        stream = load_video_dataset(sources[kind], streaming=True)
        stream.set_epoch(epoch)
        rows = iter(stream)
        seen = [next(rows)["text"] for _ in range(stop)]
        again = load_video_dataset(sources[kind], streaming=True)
        again.set_epoch(epoch)
        again.load_state_dict(stream.state_dict())
        assert seen + [row["text"] for row in again] == straight


def test_resuming_reads_no_row_twice(sources, monkeypatch):
    stream = load_video_dataset(sources["tars"], streaming=True)
    rows = iter(stream)
    for _ in range(3):
        next(rows)
    again = load_video_dataset(sources["tars"], streaming=True)
    again.load_state_dict(stream.state_dict())
    read = []
    shards = type(again._ex_iterable.shards)
    original = shards.__getitem__
    monkeypatch.setattr(shards, "__getitem__", lambda self, index: read.append(index) or original(self, index))
    assert len(list(again)) == 4
    assert read == [3, 4, 5, 6]


def test_a_large_file_is_several_shards(write_parquet, tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "a.parquet", [{"mp4": b"x" * 500, "text": str(n)} for n in range(7)])
    monkeypatch.setattr("heygen_hf.data.sources.parquet_opening.MAX_SHARD_BYTES", 1)
    shards = open_video_shards(path)
    assert shards.num_rows_per_shard == [2, 2, 2, 1]
    assert shards.shard_names[1] == "a.parquet[2:4]"
    assert [row["text"] for row in shards.read([6, 2, 5])] == ["6", "2", "5"]
    assert shards[5]["file_name"] == "a.parquet:5"
    assert shards.read_columns(["file_name"])["file_name"].to_pylist() == [f"a.parquet:{n}" for n in range(7)]


def test_bytes_are_kept_whatever_lies_in_the_current_folder(sources, rows, contents, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "0.mp4").write_bytes(b"another clip")
    for streaming in (False, True):
        first = next(iter(load_video_dataset(sources["parquet"], streaming=streaming)))
        assert first["video"] == {"bytes": rows[0]["bytes"], "path": "0.mp4"}


def test_a_copy_is_made_once_and_again_when_a_file_changed(sources, tmp_path, rows, contents, write_tar):
    folder = tmp_path / "copies"
    load_video_dataset(sources["tars"], cache_dir=folder)
    (copy,) = folder.rglob("*.arrow")
    before = copy.stat().st_mtime_ns
    load_video_dataset(sources["tars"], cache_dir=folder)
    assert copy.stat().st_mtime_ns == before
    write_tar(tmp_path / "tars" / "0.tar", {"a.mp4": b"changed", "a.txt": "new"})
    assert contents(load_video_dataset(sources["tars"], cache_dir=folder)[0]) == b"changed"
    assert not [path for path in folder.rglob(".*") if path.is_file()]
