"""What a folder of clips becomes: the same files, captions as metadata, and nothing of the original changed."""

import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from heygen_hf.data import load_video_dataset
from heygen_hf.hub.dataset_folder import read_splits
from heygen_hf.hub.dataset_folder.names import repository_names
from heygen_hf.hub.dataset_folder.splits import _without_place


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode) for path in files}


def test_splits_clips_and_columns_stay_and_the_originals_too(collection: Path, write) -> None:
    before = state(collection)
    written = write(collection)
    assert state(collection) == before
    assert lines(written.path / "train") == lines(collection / "train")
    for name in ("train/0.mp4", "train/2.mp4", "validation/0.mp4"):
        assert (written.path / name).read_bytes() == (collection / name).read_bytes()
        assert written.files[name] == hashlib.sha256((collection / name).read_bytes()).hexdigest()
    assert [caption for _, caption in written.splits[0].rows] == ["clip 0", "clip 1", "clip 2", "the third, again"]
    assert len(written.splits[0].facts) == 3


def test_captions_beside_the_clips_become_metadata(tmp_path: Path, clip, write) -> None:
    folder = tmp_path / "sidecar"
    for number, caption in enumerate(["a red ball", "größer\n"]):
        clip(folder / f"{number}.mp4", seed=number).with_suffix(".txt").write_text(caption, encoding="utf-8")
    written = write(folder)
    found = lines(written.path / "train")
    assert found == [{"file_name": "0.mp4", "text": "a red ball"}, {"file_name": "1.mp4", "text": "größer"}]
    assert not list(written.path.rglob("*.txt"))
    assert sorted(path.name for path in folder.iterdir()) == ["0.mp4", "0.txt", "1.mp4", "1.txt"]


def test_class_folders_keep_their_label(tmp_path: Path, clip, write) -> None:
    clip(tmp_path / "classes" / "brown_bear" / "0.mp4")
    clip(tmp_path / "classes" / "cat" / "0.mp4", seed=1)
    assert lines(write(tmp_path / "classes").path / "train") == [
        {"file_name": "brown_bear/0.mp4", "text": "brown bear", "label": "brown_bear"},
        {"file_name": "cat/0.mp4", "text": "cat", "label": "cat"},
    ]


def test_a_csv_with_captions_in_another_column(tmp_path: Path, clip, write) -> None:
    folder = tmp_path / "csv"
    clip(folder / "a.mp4")
    (folder / "metadata.csv").write_text('file_name,prompt,seed\na.mp4,"one, two",7\n')
    assert lines(write(folder, caption_column="prompt").path / "train") == [
        {"file_name": "a.mp4", "prompt": "one, two", "seed": "7"}
    ]
    with pytest.raises(ValueError, match=r"has no column 'text'; it has file_name, prompt, seed.*--caption-column"):
        write(folder)


def test_what_cannot_be_used_is_left_out_and_named(collection: Path, rows, write) -> None:
    whole = (collection / "train" / "1.mp4").read_bytes()
    (collection / "train" / "1.mp4").write_bytes(whole[: len(whole) // 2])
    (collection.parent / "outside.mp4").write_bytes(whole)
    names = ["0.mp4", "1.mp4", "gone.mp4", "../../outside.mp4", "2.mp4"]
    rows(collection / "train", [{"file_name": name, "text": name} for name in names])
    written = write(collection)
    assert [row["file_name"] for row in lines(written.path / "train")] == ["0.mp4", "2.mp4"]
    skipped = dict(written.splits[0].skipped)
    assert skipped.keys() == {"1.mp4", "gone.mp4", "../../outside.mp4"}
    assert "truncated" in skipped["1.mp4"]
    assert "does not exist" in skipped["gone.mp4"]
    assert "leaves the folder" in skipped["../../outside.mp4"]
    assert not (written.path / "train" / "1.mp4").exists()
    card = (written.path / "README.md").read_text()
    assert "6 rows: 3 are in the data set, 3 are left out." in card
    assert "| train | gone.mp4 | the file does not exist |" in card


def test_sounds_beside_the_clips_go_along(tmp_path: Path, clip, write, rows) -> None:
    import wave

    folder = tmp_path / "sounds"
    clip(folder / "a.mp4")
    clip(folder / "b.mp4", seed=1)
    with wave.open(str(folder / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\0" * 800)
    (folder / "b.wav").write_bytes(b"no sound")
    names = [{"file_name": f"{name}.mp4", "audio_file_name": f"{name}.wav", "text": name} for name in "ab"]
    rows(folder, names)
    written = write(folder)
    assert lines(written.path / "train") == names[:1]
    assert (written.path / "train" / "a.wav").read_bytes() == (folder / "a.wav").read_bytes()
    assert "b.wav" in written.splits[0].skipped[0][1]


def test_tars_hold_the_same_and_open_alike(collection: Path, write) -> None:
    written = write(collection, layout="webdataset", max_shard_mebibytes=0.004)
    tars = sorted((written.path / "train").glob("*.tar"))
    assert len(tars) > 1
    with tarfile.open(tars[0]) as tar:
        assert tar.getnames()[:3] == ["000000000.mp4", "000000000.txt", "000000000.json"]
    found = load_video_dataset(str(written.path), split="train", label_columns=["digit"])
    assert list(found["text"]) == ["clip 0", "clip 1", "clip 2", "the third, again"]
    assert list(found["digit"]) == ["0", "1", "2", "2"]
    hashes = [hashlib.sha256(row["video"]["bytes"]).hexdigest() for row in found]
    assert hashes == [sha for sha, _ in written.splits[0].rows]


def test_more_files_than_the_hub_serves_well_become_tars(collection: Path, write) -> None:
    assert write(collection, max_files=4).layout == "videofolder"
    found = write(collection, max_files=3)
    assert found.layout == "webdataset"
    assert "4 files are more than" in found.notes[0]
    (collection / "validation").rename(collection / "holdout")
    assert write(collection, max_files=3).layout == "videofolder"  # readers of tars know no such split
    with pytest.raises(ValueError, match="split 'holdout' cannot be written as tars"):
        write(collection, layout="webdataset")


def test_columns_that_loaders_could_not_read_become_one_kind(collection: Path, rows, write) -> None:
    rows(
        collection / "train",
        [
            {"file_name": "0.mp4", "text": 5, "score": 1, "mixed": "x", "empty": None, "sometimes": "y"},
            {"file_name": "1.mp4", "text": "b", "score": 0.5, "mixed": 3, "list": [1, 2]},
        ],
    )
    written = write(collection, leave_out=["digit"])
    assert lines(written.path / "train") == [
        {"file_name": "0.mp4", "text": "5", "score": "1", "mixed": "x", "sometimes": "y", "list": ""},
        {"file_name": "1.mp4", "text": "b", "score": "0.5", "mixed": "3", "sometimes": "", "list": "[1, 2]"},
    ]
    assert any("'empty' is empty in every row" in note for note in written.notes)


def test_a_column_that_loaders_take_for_files(collection: Path, rows, write) -> None:
    rows(collection / "train", [{"file_name": "0.mp4", "text": "a", "mask_file_name": "m.png"}])
    with pytest.raises(ValueError, match=r"column 'mask_file_name'.*--leave-out"):
        write(collection)


def test_many_files_go_into_subfolders() -> None:
    names, notes = repository_names([f"{number}.mp4" for number in range(12)], max_entries=8)
    assert [names[f"{number}.mp4"] for number in (0, 3, 4, 11)] == ["0/0.mp4", "0/3.mp4", "1/4.mp4", "2/11.mp4"]
    assert len(notes) == 1
    assert repository_names(["a.mp4", "b.mp4"], max_entries=3) == ({"a.mp4": "a.mp4", "b.mp4": "b.mp4"}, [])
    assert "a.mp4" not in repository_names(["a.mp4", "b.mp4"], max_entries=2)[0].values()  # and the metadata


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "__x/a.mp4", ".x/a.mp4", "a\tb.mp4", "e\u0301.mp4", "a .mp4/x .", "[1].mp4"]
)
def test_names_that_not_every_system_takes(name: str) -> None:
    names, notes = repository_names([name, "fine.mp4"])
    assert names["fine.mp4"] == "fine.mp4"
    assert names[name].startswith("renamed-00000")
    assert "1 files have new names" in notes[0]


def test_names_that_differ_in_case_alone() -> None:
    names, _ = repository_names(["A.mp4", "a.mp4"])
    assert len({name.casefold() for name in names.values()}) == 2


def test_copies_are_told_of(collection: Path, write) -> None:
    (collection / "validation" / "0.mp4").write_bytes((collection / "train" / "0.mp4").read_bytes())
    (collection / "train" / "1.mp4").write_bytes((collection / "train" / "0.mp4").read_bytes())
    notes = write(collection).notes
    assert "1 clips of train are copies of others in it" in notes
    assert "1 clips are in both train and validation" in notes


def test_folders_that_cannot_be_published(tmp_path: Path, collection: Path, write) -> None:
    with pytest.raises(ValueError, match="there is no folder"):
        write(tmp_path / "none")
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "a.tar").touch()
    with pytest.raises(ValueError, match=r"holds no clips.*hf upload"):
        write(tmp_path / "shards")
    for path in (collection / "train").glob("*.mp4"):
        path.write_bytes(b"no video")
    (collection / "validation" / "0.mp4").unlink()
    with pytest.raises(ValueError, match=r"no clip can be used.*0\.mp4: not a readable video"):
        write(collection)
    (tmp_path / "repository").mkdir(exist_ok=True)
    (tmp_path / "repository" / "mine").touch()
    with pytest.raises(ValueError, match="holds other files"):
        write(collection)


def test_captions_of_a_csv_may_have_lines_of_unicode(tmp_path: Path, clip, write) -> None:
    folder = tmp_path / "clips"
    said = ["a\u2028b", "c\u0085d", "e\x0bf\x0cg", "two\nlines"]
    for number in range(4):
        clip(folder / f"{number}.mp4", seed=number)
    table = "".join(f'{number}.mp4,"{text}"\n' for number, text in enumerate(said))
    (folder / "metadata.csv").write_text(f"file_name,text\n{table}", encoding="utf-8", newline="")
    rows = (write(folder).path / "train" / "metadata.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    assert [json.loads(row)["text"] for row in rows] == said


def test_notes_keep_words_that_are_the_folders_name(
    tmp_path: Path, clip, write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "which"
    for number in range(2):
        clip(folder / f"{number}.mp4", seed=number)
    (folder / "metadata.csv").write_text("file_name,text\n0.mp4,a\n1.mp4,b\n")
    (folder / "metadata.jsonl").write_text('{"file_name": "0.mp4", "text": ""}\n')
    monkeypatch.chdir(tmp_path)
    (by_name,) = read_splits(Path("which"))
    (by_path,) = read_splits(folder)
    assert by_name.notes == by_path.notes
    assert "the folder has metadata.csv too, which is not read: metadata.jsonl is" in by_name.notes
    assert str(tmp_path) not in str(by_name.notes)
    assert "the foldered" not in _without_place(f"{folder}ed/x, {folder}/1.mp4 and {folder}", folder)
    assert _without_place(f"{folder}/1.mp4 and {folder}", folder) == "1.mp4 and the folder"
