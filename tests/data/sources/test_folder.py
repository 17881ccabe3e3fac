"""Opening folders: layouts, columns, refused paths, and one line for everything that is wrong."""

import os

import pytest

from heygen_hf.data import class_names, has_split, load_video_dataset, split_by_clip
from heygen_hf.data.sources import is_missing_locally


def rows_of(folder, **options) -> list[dict]:
    return list(load_video_dataset(folder, **options))


@pytest.fixture
def empty_clips(tmp_path):
    """A folder whose files are never opened here, so they may be empty."""
    folder = tmp_path / "clips"
    (folder / "deeper").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "deeper/c d.mp4"):
        (folder / name).touch()
    return folder


def test_jsonl_and_csv_give_the_same_rows(empty_clips, write_metadata):
    rows = [
        {"file_name": "a.mp4", "caption": "one, two", "digit": 7},
        {"file_name": "deeper/c d.mp4", "caption": 'quoted "words" and naïve ∑', "digit": 10},
    ]
    write_metadata(empty_clips, rows)
    options = {"caption_column": "caption", "label_columns": ["digit"]}
    from_jsonl = rows_of(empty_clips, **options)
    assert from_jsonl[1] == {
        "video": {"path": str(empty_clips.resolve() / "deeper" / "c d.mp4"), "bytes": None},
        "text": 'quoted "words" and naïve ∑',
        "digit": "10",
        "file_name": "deeper/c d.mp4",
    }
    (empty_clips / "metadata.jsonl").unlink()
    (empty_clips / "metadata.csv").write_text(
        'file_name,caption,digit\na.mp4,"one, two",7\ndeeper/c d.mp4,"quoted ""words"" and naïve ∑",10\n',
        "utf-8",
    )
    assert rows_of(empty_clips, **options) == from_jsonl


def test_a_split_is_a_subfolder_and_other_splits_are_not_made_up(empty_clips, write_metadata):
    (empty_clips / "validation").mkdir()
    write_metadata(empty_clips, [{"file_name": "a.mp4", "text": "a"}, {"file_name": "b.mp4", "text": "b"}])
    write_metadata(empty_clips / "validation", [{"file_name": "v.mp4", "text": "v"}])
    assert [row["text"] for row in rows_of(empty_clips)] == ["a", "b"]
    assert [row["text"] for row in rows_of(empty_clips, split="validation")] == ["v"]
    assert [row["text"] for row in rows_of(empty_clips / "validation", split=None)] == ["v"]
    assert has_split(empty_clips, "validation")
    assert not has_split(empty_clips, "test")
    with pytest.raises(ValueError, match="no split 'test': its own metadata counts as 'train'"):
        load_video_dataset(empty_clips, split="test")
    (empty_clips / "metadata.jsonl").unlink()
    with pytest.raises(ValueError, match=r"no split 'train'; it has validation"):
        load_video_dataset(empty_clips)


def test_paths_that_leave_the_folder_are_refused(empty_clips, write_metadata, tmp_path):
    outside = tmp_path / "outside.mp4"
    outside.touch()
    (empty_clips / "link_out.mp4").symlink_to(outside)
    (empty_clips / "link_in.mp4").symlink_to(empty_clips / "a.mp4")
    (empty_clips / "folder_out").symlink_to(tmp_path)
    (empty_clips / "loop.mp4").symlink_to(empty_clips / "loop.mp4")
    refused = [
        "../outside.mp4",
        "../../etc/passwd",
        "/etc/passwd",
        str(outside),
        "link_out.mp4",
        "folder_out/outside.mp4",
        "deeper/../../outside.mp4",
        "a\0b.mp4",
        "",
        ".",
    ]
    allowed = ["a.mp4", "./a.mp4", "deeper/../b.mp4", "link_in.mp4", "missing.mp4"]
    write_metadata(empty_clips, [{"file_name": name, "text": "x"} for name in refused + allowed])
    videos = [row["video"]["path"] for row in rows_of(empty_clips)]
    assert videos[: len(refused)] == [None] * len(refused)
    assert all(video.startswith(str(empty_clips.resolve()) + os.sep) for video in videos[len(refused) :])


def test_what_is_odd_is_noted(empty_clips, write_metadata):
    write_metadata(
        empty_clips,
        [
            {"file_name": "a.mp4", "text": "one"},
            {"file_name": "a.mp4", "text": "two"},
            {"file_name": "x.mp4", "text": " "},
        ],
    )
    (empty_clips / "metadata.csv").write_text("file_name,text\n")
    notes = load_video_dataset(empty_clips).info.description.splitlines()
    assert len(notes) == 4
    assert "2 clips have no row" in notes[0]
    assert "'b.mp4', 'deeper/c d.mp4'" in notes[0]
    assert "1 files have several rows, all of which are used: 'a.mp4'" in notes[1]
    assert "1 captions are empty" in notes[2]
    assert "metadata.csv too, which is not read" in notes[3]


def test_captions_can_be_left_out(empty_clips, write_metadata):
    write_metadata(empty_clips, [{"file_name": "a.mp4"}])
    assert rows_of(empty_clips, caption_column=None)[0]["text"] == ""


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ("", "has no rows"),
        ('{"file_name": "a.mp4", "text": "x"}\n{"file_name": ', "line 2 is not JSON"),
        ('["a.mp4", "x"]\n', "line 1 is list"),
        ('{"name": "a.mp4", "text": "x"}\n', r"no column file_name \(it has name, text\)"),
        ('{"file_name": "a.mp4", "caption": "x"}\n', "no caption column 'text'; it has file_name, caption"),
        (b'{"file_name": "a.mp4", "text": "\xff"}\n', "not UTF-8"),
    ],
)
def test_bad_metadata_is_one_line_that_says_what_is_wrong(empty_clips, contents, complaint):
    data = contents if isinstance(contents, bytes) else contents.encode()
    (empty_clips / "metadata.jsonl").write_bytes(data)
    with pytest.raises(ValueError, match=complaint) as caught:
        load_video_dataset(empty_clips)
    assert "\n" not in str(caught.value)


def test_missing_things_are_named(tmp_path, empty_clips, write_metadata):
    with pytest.raises(ValueError, match=r"nowhere does not exist; expected a folder with clips"):
        load_video_dataset(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="is a file"):
        load_video_dataset(empty_clips / "a.mp4")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="nothing has no metadata; expected"):
        load_video_dataset(tmp_path / "nothing")
    (empty_clips / "metadata.csv").write_text("file_name,text\na.mp4,one, two\n")
    with pytest.raises(ValueError, match="line 2 has more fields"):
        load_video_dataset(empty_clips)
    (empty_clips / "metadata.csv").unlink()
    write_metadata(empty_clips, [{"file_name": "a.mp4", "text": "x"}])
    with pytest.raises(ValueError, match="no label column 'colour'; it has file_name, text"):
        load_video_dataset(empty_clips, label_columns=["colour"])


def test_class_names_sort_numbers_as_numbers():
    assert class_names(["10", "9", "10", "1"]) == ["1", "9", "10"]
    assert class_names(["red", "blue", "7"]) == ["7", "blue", "red"]


def test_a_split_by_clip_keeps_the_captions_of_a_clip_together(tmp_path, write_metadata):
    rows = [{"file_name": f"{number // 2}.mp4", "text": str(number)} for number in range(100)]
    write_metadata(tmp_path, rows)
    dataset = load_video_dataset(tmp_path)
    train, validation = split_by_clip(dataset, 0.1, seed=1)
    held_out = set(validation["file_name"])
    assert len(held_out) == 5
    assert len(validation) == 10
    assert not held_out & set(train["file_name"])
    assert len(train) + len(validation) == 100
    again = split_by_clip(dataset.shuffle(seed=3), 0.1, seed=1)[1]
    assert set(again["file_name"]) == held_out
    assert set(split_by_clip(dataset, 0.1, seed=2)[1]["file_name"]) != held_out


def test_one_clip_is_not_split_and_a_share_is_a_share(tmp_path, write_metadata):
    write_metadata(tmp_path, [{"file_name": "a.mp4", "text": "x"}])
    train, validation = split_by_clip(load_video_dataset(tmp_path))
    assert len(train) == 1
    assert validation is None
    with pytest.raises(ValueError, match="validation_share is 5"):
        split_by_clip(load_video_dataset(tmp_path), 5)


def test_a_path_that_could_be_a_name_of_the_hub_is_not_looked_for_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for name in ("data/moving_digits_9", "outputs/x", "mine/clips", "a/b/c", "./a", "/nowhere", "~/clips"):
        assert is_missing_locally(name), name
    for name in ("someone/clips", "gpt2", "mine", "hf://datasets/someone/clips"):
        assert not is_missing_locally(name), name
    with pytest.raises(ValueError, match="no folder data/moving_digits_9; where a recipe names it, the commands at"):
        load_video_dataset("data/moving_digits_9")
