"""Prepared clips: every row accounted for, and items that depend on (seed, epoch, index) alone."""

import json
import pickle

import pytest
import torch
from torch.utils.data import DataLoader

from heygen_hf.data import VideoTextCollator, build_tokenizer, load_video_dataset, prepare_clips, write_video
from heygen_hf.processing import VideoProcessor


def processor_of(**fields) -> VideoProcessor:
    return VideoProcessor(**{"num_frames": 4, "height": 16, "width": 16} | fields)


def prepare(folder, cache, *, processor=None, seed=0, **options):
    label_columns = options.pop("label_columns", ())
    return prepare_clips(
        load_video_dataset(folder, label_columns=label_columns),
        processor=processor or processor_of(),
        seed=seed,
        cache_dir=cache,
        progress=False,
        **options,
    )


def test_items_hold_frames_caption_index_and_labels(clip_folder, write_metadata, random_frames, tmp_path):
    folder = clip_folder(3)
    write_metadata(folder, [{"file_name": f"{n}.mp4", "text": f"clip {n}", "digit": n} for n in range(3)])
    clips, report = prepare(folder, tmp_path / "cache", label_columns=["digit"])
    assert len(clips) == report.num_used == 3
    item = clips[2]
    assert torch.equal(item.pop("frames"), random_frames(8, seed=2)[:4])
    assert item == {"text": "clip 2", "index": 2, "digit": "2"}
    assert clips[-1]["index"] == 2
    with pytest.raises(IndexError):
        clips[3]


BAD_FILES = {
    "empty.mp4": "empty",
    "text.mp4": "not a readable video",
    "truncated.mp4": "truncated",
    "gone.mp4": "does not exist",
    "../../etc/passwd": "leaves the data folder",
    "short.mp4": "too short: 2 frames, 4 wanted",
}


@pytest.fixture
def hostile_folder(clip_folder, write_metadata, random_frames):
    """Five good clips among six bad files."""
    folder = clip_folder(5)
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("no video at all\n" * 50)
    whole = (folder / "0.mp4").read_bytes()
    (folder / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    write_video(folder / "short.mp4", random_frames(2, seed=50), lossless=True)
    names = [f"{n}.mp4" for n in range(5)]
    for place, name in enumerate(BAD_FILES):
        names.insert(2 * place, name)
    write_metadata(folder, [{"file_name": name, "text": f"caption of {name}"} for name in names])
    return folder


def test_bad_files_are_skipped_counted_and_named_and_no_good_one_is_lost(hostile_folder, random_frames, tmp_path):
    processor = processor_of(pad_policy="drop")
    for reused in (False, True):  # what was found out once is remembered
        clips, report = prepare(hostile_folder, tmp_path / "cache", processor=processor, max_bad_share=0.6)
        assert report.store_was_reused == reused
        assert clips.file_names == [f"{n}.mp4" for n in range(5)]
        assert clips.texts == [f"caption of {n}.mp4" for n in range(5)]
        for number in range(5):
            assert torch.equal(clips[number]["frames"], random_frames(8, seed=number)[:4])
        assert [name for name, _ in report.skipped] == list(BAD_FILES)
        for name, reason in report.skipped:
            assert BAD_FILES[name] in reason
            assert "\n" not in reason
            assert name in report.summary()
        assert report.num_used + len(report.skipped) == report.num_rows == 11
        assert json.loads(json.dumps(report.to_dict()))["skipped"][0] == {
            "file_name": "empty.mp4",
            "reason": report.skipped[0][1],
        }


def test_too_many_bad_files_stop_the_run_before_it_starts(hostile_folder, tmp_path):
    with pytest.raises(
        ValueError, match=r"5 of 11 clips cannot be used \(45%, allowed are 10%\): 'empty.mp4': "
    ) as caught:
        prepare(hostile_folder, tmp_path / "cache")
    assert "raise data.max_bad_share" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_usable_clip_is_an_error_whatever_the_share(clip_folder, tmp_path):
    folder = clip_folder(1)
    (folder / "0.mp4").write_bytes(b"")
    with pytest.raises(ValueError, match=r"1 of 1 clips cannot be used .*; mend or remove them$"):
        prepare(folder, tmp_path / "cache", max_bad_share=1.0)


def test_an_empty_data_set_or_one_without_captions_is_an_error(clip_folder, tmp_path):
    dataset = load_video_dataset(clip_folder(1))
    options = {"processor": processor_of(), "seed": 0, "cache_dir": tmp_path / "cache", "progress": False}
    with pytest.raises(ValueError, match="the data set is empty"):
        prepare_clips(dataset.select([]), **options)
    without = dataset.remove_columns("text")
    with pytest.raises(ValueError, match="no column 'text'; it has video, file_name"):
        prepare_clips(without, **options)
    clips, _ = prepare_clips(without, with_captions=False, **options)
    assert clips[0]["text"] == ""


@pytest.mark.parametrize("position", ["start", "random"])
@pytest.mark.parametrize(
    ("policy", "expected"),
    [("repeat_last", [0, 1, 2, 2, 2]), ("loop", [0, 1, 2, 0, 1]), ("zero", [0, 1, 2, None, None])],
)
def test_short_clips_are_padded_by_policy_and_reported(
    clip_folder, random_frames, tmp_path, policy, expected, position
):
    processor = processor_of(num_frames=5, pad_policy=policy, frame_position=position)
    clips, report = prepare(clip_folder(1, num_frames=3), tmp_path / "cache", processor=processor)
    assert report.num_padded == 1
    assert "1 of them are too short and filled up by the pad policy" in report.summary()
    frames, source = clips[0]["frames"], random_frames(3)
    for position, index in enumerate(expected):
        assert torch.equal(frames[position], torch.zeros_like(source[0]) if index is None else source[index])


def test_random_items_depend_on_seed_epoch_and_index_alone(clip_folder, tmp_path):
    folder = clip_folder(6, num_frames=40, height=16, width=32)
    processor = processor_of(frame_position="random", crop_position="random")
    clips, _ = prepare(folder, tmp_path / "cache", processor=processor)

    def epoch(dataset, number, order=range(6)):
        dataset.set_epoch(number)
        return {index: dataset[index]["frames"] for index in order}

    first = epoch(clips, 0)
    torch.manual_seed(5)  # global generators have no say
    later = epoch(clips, 1)
    again = epoch(prepare(folder, tmp_path / "cache", processor=processor)[0], 0, order=reversed(range(6)))
    assert all(torch.equal(first[index], again[index]) for index in range(6))
    assert any(not torch.equal(first[index], later[index]) for index in range(6))
    other_seed, _ = prepare(folder, tmp_path / "cache", processor=processor, seed=1)
    assert any(not torch.equal(first[index], epoch(other_seed, 0)[index]) for index in range(6))
    clips.set_epoch(0)
    batch = clips.__getitems__([4, 1, 1])
    assert [item["index"] for item in batch] == [4, 1, 1]
    assert torch.equal(batch[0]["frames"], first[4])
    assert torch.equal(batch[2]["frames"], first[1])


def test_a_clip_decoded_each_time_gives_what_a_stored_one_gives(clip_folder, tmp_path):
    folder = clip_folder(4, num_frames=40, height=16, width=24)
    processor = processor_of(frame_position="random", crop_position="random", temporal_stride=2)
    stored, report = prepare(folder, tmp_path / "cache", processor=processor)
    assert report.num_stored == 4
    streamed, report = prepare(folder, tmp_path / "cache", processor=processor, max_clip_mebibytes=0.01)
    assert report.num_decoded_each_time == 4
    assert "4 of them are long and decoded whenever they are drawn" in report.summary()
    for epoch in (0, 3):
        stored.set_epoch(epoch)
        streamed.set_epoch(epoch)
        for index in range(4):
            assert torch.equal(stored[index]["frames"], streamed[index]["frames"])


def test_clips_of_different_shapes_share_a_batch(clip_folder, write_metadata, random_frames, tmp_path):
    folder = clip_folder(2, num_frames=6)
    write_video(folder / "2.mp4", random_frames(9, seed=2, height=32, width=20), lossless=True)
    write_metadata(folder, [{"file_name": f"{n}.mp4", "text": ""} for n in range(3)])
    clips, report = prepare(folder, tmp_path / "cache", processor=processor_of(frame_position="random"))
    assert [tuple(item["frames"].shape) for item in clips.__getitems__([0, 1, 2])] == [(4, 3, 16, 16)] * 3
    assert any("3 captions are empty" in warning for warning in report.warnings)


def test_copies_and_notes_of_the_source_are_in_the_report(clip_folder, write_metadata, tmp_path):
    folder = clip_folder(2)
    (folder / "copy.mp4").write_bytes((folder / "0.mp4").read_bytes())
    write_metadata(folder, [{"file_name": name, "text": "x"} for name in ("0.mp4", "copy.mp4")])
    _, report = prepare(folder, tmp_path / "cache")
    assert "1 clips have no row" in report.warnings[0]
    assert "1 files are copies of others, byte for byte, and used: 'copy.mp4'" in report.warnings[1]


def test_workers_that_outlive_an_epoch_see_it_change(clip_folder, tmp_path):
    folder = clip_folder(4, num_frames=60)
    processor = processor_of(frame_position="random")
    clips, _ = prepare(folder, tmp_path / "cache", processor=processor)
    tokenizer = build_tokenizer(clips.texts)
    collator = VideoTextCollator(processor, tokenizer)
    loader = DataLoader(clips, batch_size=2, num_workers=1, persistent_workers=True, collate_fn=collator)
    for epoch in (0, 1, 0):
        clips.set_epoch(epoch)
        batches = list(loader)
        for number, batch in enumerate(batches):
            expected = collator(clips.__getitems__([2 * number, 2 * number + 1]))
            assert torch.equal(batch["pixel_values"], expected["pixel_values"])
            assert torch.equal(batch["input_ids"], expected["input_ids"])


def test_a_pickled_data_set_is_small_and_gives_the_same_items(clip_folder, tmp_path):
    clips, _ = prepare(clip_folder(3), tmp_path / "cache")
    pickled = pickle.dumps(clips)
    assert len(pickled) < 20_000
    assert torch.equal(pickle.loads(pickled)[1]["frames"], clips[1]["frames"])
