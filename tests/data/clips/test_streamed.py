"""Streamed clips: the items of prepared ones, resumed exactly, broken ones replaced and named."""

import pytest
import torch

from heygen_hf.data import (
    ClipLoader,
    ClipOptions,
    EpochBatches,
    StreamedClipDataset,
    VideoTextCollator,
    export_to_parquet,
    export_to_webdataset,
    load_video_dataset,
    open_video_shards,
    prepare_clips,
)
from heygen_hf.processing import VideoProcessor

PROCESSOR = {"num_frames": 4, "height": 16, "width": 16, "frame_position": "random"}


@pytest.fixture
def folder(clip_folder):
    return clip_folder(11, num_frames=7)


@pytest.fixture(params=["folder", "parquet", "tars"])
def source(request, folder, tmp_path):
    """The same clips, as each kind of shards."""
    if request.param == "folder":
        return str(folder)
    export = export_to_parquet if request.param == "parquet" else export_to_webdataset
    export(load_video_dataset(folder), tmp_path / "shards", rows_per_shard=4)
    return str(tmp_path / "shards" / f"*.{'parquet' if request.param == 'parquet' else 'tar'}")


def streamed(source: str) -> StreamedClipDataset:
    return StreamedClipDataset(
        open_video_shards(source), processor=VideoProcessor(**PROCESSOR), options=ClipOptions(seed=0)
    )


def loader_of(source: str, num_workers: int = 0) -> ClipLoader:
    clips = streamed(source)
    batches = EpochBatches(clips.num_rows_per_shard, batch_size=2, seed=3, lanes=2)
    return ClipLoader(
        clips, batches=batches, collate=VideoTextCollator(VideoProcessor(**PROCESSOR)), num_workers=num_workers
    )


def test_items_are_those_of_prepared_clips(source, folder, tmp_path):
    prepared, _ = prepare_clips(
        load_video_dataset(folder),
        processor=VideoProcessor(**PROCESSOR),
        seed=0,
        cache_dir=tmp_path / "cache",
        progress=False,
    )
    clips = streamed(source)
    row_of = {prepared.texts[row]: row for row in range(len(prepared))}
    shown = clips.fetch(range(len(clips)), epoch=2)
    assert {item["text"] for item in shown} == set(row_of)
    for item in shown:  # a row's number may differ between sources, and decides its seed
        seed = clips.options.seed_of(2, item["index"])
        (same,) = prepared.fetch([row_of[item["text"]]], epoch=2, seeds=[seed])
        assert torch.equal(item["frames"], same["frames"])


def frames_until_the_end(loader: ClipLoader, *, epochs: int = 2) -> list[torch.Tensor]:
    found = []
    while loader.batches.epoch < epochs:
        found += [batch["pixel_values"] for batch in loader]
    return found


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stream_resumes_at_the_very_next_sample(source, num_workers):
    straight = frames_until_the_end(loader_of(source))
    assert len(straight) == 12
    for position in (1, 5, 6, 9) if num_workers == 0 else (3,):
        interrupted = loader_of(source)
        handed_out = 0
        while handed_out < position:
            for _ in interrupted:
                handed_out += 1
                if handed_out == position:
                    break
        resumed = loader_of(source, num_workers)
        resumed.load_state_dict(interrupted.state_dict())
        rest = frames_until_the_end(resumed)
        assert all(torch.equal(one, other) for one, other in zip(rest, straight[position:], strict=True))


def test_a_broken_clip_is_replaced_and_named(folder):
    (folder / "4.mp4").write_bytes(b"broken")
    loader = loader_of(str(folder), num_workers=1)
    rows = sum(len(batch["pixel_values"]) for batch in loader)
    assert rows == 12
    assert list(loader.problems) == ["4.mp4"]
    assert "not a readable video" in loader.problems["4.mp4"]


def test_a_refused_path_is_named(folder, write_metadata):
    write_metadata(folder, [{"file_name": "../0.mp4", "text": ""}, {"file_name": "1.mp4", "text": ""}])
    item = streamed(str(folder))[0]
    assert item["index"] == 1
    assert item["problems"] == [
        ("../0.mp4", "its row names no file, or its path leaves the data folder, which is refused")
    ]
