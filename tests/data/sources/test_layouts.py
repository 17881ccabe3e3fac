"""Folders without a metadata file: how captions are found, and what is said about it."""

import os

import pytest

from heygen_hf.data.sources import has_split, load_video_dataset


@pytest.fixture
def folder(tmp_path):
    """Makes a folder of files by name and contents."""

    def make(files: dict[str, str | bytes]):
        root = tmp_path / "clips"
        for name, contents in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents.encode() if isinstance(contents, str) else contents)
        return root

    return make


def texts(source, **options) -> dict[str, str]:
    return {row["file_name"]: row["text"] for row in load_video_dataset(source, **options)}


def notes(source, **options) -> str:
    return load_video_dataset(source, **options).info.description


def test_sidecars(folder):
    root = folder({"a.mp4": "", "a.txt": " one\n", "deep/b c.MP4": "", "deep/b c.txt": "\ufefftwo ∑", "c.webm": ""})
    assert texts(root) == {"a.mp4": "one", "c.webm": "", "deep/b c.MP4": "two ∑"}
    assert "1 clips have no .txt beside them; their captions are empty: 'c.webm'" in notes(root)
    assert set(texts(root, caption_column=None).values()) == {""}
    with pytest.raises(ValueError, match="no caption column 'caption'"):
        load_video_dataset(root, caption_column="caption")


def test_sidecars_that_are_odd_are_named(folder, tmp_path):
    root = folder({"a.mp4": "", "a.txt": b"caf\xe9", "b.mp4": "", "b.txt": "good", "c.mp4": ""})
    (tmp_path / "secret.txt").write_text("secret")
    (root / "c.txt").symlink_to(tmp_path / "secret.txt")
    assert texts(root) == {"a.mp4": "caf\ufffd", "b.mp4": "good", "c.mp4": ""}
    assert "1 clips have captions that are not UTF-8; what is not is replaced by \ufffd: 'a.mp4'" in notes(root)


def test_line_lists(folder):
    root = folder({"videos.txt": "x/1.mp4\n../2.mp4\n", "captions.txt": "one\ntwo\n", "x/1.mp4": ""})
    assert texts(root) == {"x/1.mp4": "one", "../2.mp4": "two"}
    assert [row["video"]["path"] is None for row in load_video_dataset(root)] == [False, True]
    (root / "captions.txt").write_text("one\ntwo\nthree\n")
    with pytest.raises(ValueError, match=r"captions\.txt has 3 lines and videos\.txt 2; expected one of each"):
        load_video_dataset(root)


def test_class_folders(folder):
    root = folder({"big_cats/1.mp4": "", "dogs/2.mp4": "", "dogs/deep/3.mp4": ""})
    assert texts(root) == {"big_cats/1.mp4": "big cats", "dogs/2.mp4": "dogs", "dogs/deep/3.mp4": "dogs"}
    dataset = load_video_dataset(root, caption_column=None, label_columns=["label"])
    assert dataset["label"][:] == ["big_cats", "dogs", "dogs"]
    assert set(dataset["text"]) == {""}
    assert "names of the 2 class folders: 'big_cats', 'dogs'" in notes(root)


def test_one_subfolder_is_no_class_unless_asked(folder):
    root = folder({"videos/1.mp4": ""})
    assert texts(root) == {"videos/1.mp4": ""}
    assert "there is one subfolder only" in notes(root)
    assert load_video_dataset(root, label_columns=["label"])["label"][:] == ["videos"]


def test_clips_without_captions(folder):
    root = folder({"1.mp4": "", "x/2.gif": "", "._1.mp4": "", ".hidden/3.mp4": "", "4.dat": "", "README.md": ""})
    assert texts(root) == {"1.mp4": "", "x/2.gif": ""}
    assert "has no captions: all of its clips have an empty text" in notes(root)
    assert "some clips are in no subfolder" in notes(root)
    assert "1 files do not end like clips and are not used: '4.dat'" in notes(root)
    with pytest.raises(ValueError, match="has no label column 'label'"):
        load_video_dataset(root, label_columns=["label"])


def test_splits_of_every_layout(folder):
    root = folder({"train/a.mp4": "", "train/a.txt": "a", "validation/b.mp4": "", "validation/b.txt": "b"})
    assert has_split(root, "validation")
    assert not has_split(root, "test")
    assert texts(root) == {"a.mp4": "a"}
    assert texts(root, split="validation") == {"b.mp4": "b"}
    with pytest.raises(ValueError, match="no split 'test'; it has train, validation"):
        load_video_dataset(root, split="test")


def test_clips_beside_a_split_are_the_training_set(folder):
    root = folder({"a.mp4": "", "test/b.mp4": ""})
    assert set(texts(root)) == {"a.mp4"}
    assert set(texts(root, split="test")) == {"b.mp4"}


def test_nothing_is_opened_followed_or_lost(folder, tmp_path):
    root = folder({"good.mp4": "", "inner/also good.mp4": "", "new\nline 'quoted' 视频.mp4": ""})
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.mp4").touch()
    os.mkfifo(root / "pipe.mp4")
    (root / "loop.mp4").symlink_to(root / "loop.mp4")
    (root / "out.mp4").symlink_to(outside / "x.mp4")
    (root / "in.mp4").symlink_to(root / "good.mp4")
    (root / "folder_out").symlink_to(outside)
    (root / "folder_loop").symlink_to(root)
    with open(os.fsencode(root) + b"/bad\xff.mp4", "wb"):
        pass
    rows = {row["file_name"]: row["video"]["path"] for row in load_video_dataset(root)}
    assert set(rows) == {
        "good.mp4",
        "inner/also good.mp4",
        "new\nline 'quoted' 视频.mp4",
        "pipe.mp4",
        "loop.mp4",
        "out.mp4",
        "in.mp4",
        "bad\\xff.mp4",
    }
    assert rows["out.mp4"] is None
    assert rows["bad\\xff.mp4"] is None
    assert rows["in.mp4"] == str((root / "good.mp4").resolve())
    assert all(rows[name] for name in rows if name not in ("out.mp4", "bad\\xff.mp4"))
    assert "1 file names are not UTF-8 and their clips not used (rename them): 'bad\\\\xff.mp4'" in notes(root)
    assert "2 links are not followed: 'folder_loop', 'folder_out'" in notes(root)


def test_sound_beside_the_clips(folder):
    root = folder({"a.mp4": "", "a.txt": "x", "a.wav": "", "b.mp4": ""})
    rows = list(load_video_dataset(root))
    assert rows[0]["audio"] == {"bytes": None, "path": str(root.resolve() / "a.wav")}
    assert rows[1]["audio"] == {"bytes": None, "path": None}
