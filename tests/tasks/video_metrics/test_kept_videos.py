"""What a killed start of several processes leaves, taken up by one."""

import json
from pathlib import Path

import pytest

from heygen_hf.tasks.video_metrics.kept_videos import KeptVideos

ROWS = [{"text": text, "seed": seed, "weights": "w"} for seed, text in enumerate("abcd")]


def write(kept: KeptVideos, *numbers: int) -> None:
    kept.folder.mkdir(exist_ok=True)
    for number in numbers:
        kept.path(number).write_bytes(b"video %d" % number)
    kept.add(numbers)


def test_rows_of_other_processes_are_taken_in(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write(KeptVideos(folder, ROWS), 0, 1)
    # the second process was killed with its rows still in a file of its own
    other = KeptVideos(tmp_path / "other", ROWS)
    write(other, 2)
    other.path(2).rename(folder / "00002.mp4")
    (folder / ".metadata-00001.jsonl").write_text((other.folder / "metadata.jsonl").read_text())
    (folder / ".00003.mp4.123.part").write_bytes(b"half a video")
    kept = KeptVideos(folder, ROWS)
    assert [kept.is_there(number) for number in range(4)] == [True, True, True, False]
    assert not list(folder.glob(".*"))
    write(kept, 3)
    files = kept.finish(same={"weights": "w"})
    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == [file.name for file in files]
    assert [row["text"] for row in rows] == list("abcd")


def test_a_row_that_is_not_of_its_file_does_not_stand(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write(KeptVideos(folder, ROWS), 0, 1)
    stale = {"file_name": "00000.mp4", **ROWS[0], "file_hash": "of what was there before"}
    (folder / ".metadata-00001.jsonl").write_text(json.dumps(stale) + "\n")
    kept = KeptVideos(folder, ROWS)
    assert kept.is_there(0)
    kept.path(1).write_bytes(b"vid")  # half of it
    assert not kept.is_there(1)
    other = KeptVideos(folder, [{**row, "weights": "v"} for row in ROWS])
    assert not any(other.is_there(number) for number in range(4))


def test_videos_of_another_model_beyond_the_wanted_ones_go(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write(KeptVideos(folder, ROWS), 0, 1, 2)
    kept = KeptVideos(folder, ROWS[:1])
    kept.finish(same={"weights": "w"})
    assert (folder / "00002.mp4").is_file()
    other = KeptVideos(folder, [{**ROWS[0], "weights": "v"}])
    write(other, 0)
    other.finish(same={"weights": "v"})
    assert [path.name for path in sorted(folder.glob("*.mp4"))] == ["00000.mp4"]


def test_a_folder_of_other_files_is_left_as_it_is(tmp_path: Path) -> None:
    rows = [json.dumps({"file_name": f"0000{i}.mp4", "text": "mine", "seed": i, "weights": "w"}) for i in range(6)]
    others = {
        "a data set": {"metadata.jsonl": "\n".join(rows), **{f"0000{i}.mp4": f"mine {i}" for i in range(6)}},
        "videos": {"00004.mp4": "mine"},
        "notes": {"notes.txt": "mine"},
    }
    for name, held in others.items():
        folder = tmp_path / name
        folder.mkdir()
        for file, text in held.items():
            (folder / file).write_text(text)
        with pytest.raises(ValueError, match=r"holds files that evaluate has not made .*--videos-dir"):
            KeptVideos(folder, ROWS)
        assert {path.name: path.read_text() for path in folder.iterdir()} == held
    # one of the user's beside ours
    folder = tmp_path / "ours"
    write(KeptVideos(folder, ROWS), 0, 1)
    (folder / "00007.mp4").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"has not made \(00007.mp4"):
        KeptVideos(folder, ROWS)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match=r"is a file; give a folder as --videos-dir"):
        KeptVideos(tmp_path / "file", ROWS)


def test_a_file_that_is_not_the_one_of_its_row_is_not_removed(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    write(KeptVideos(folder, ROWS), 0, 1, 2, 3)
    (folder / "00003.mp4").write_bytes(b"mine")
    (folder / "00001.mp4").unlink()
    other = KeptVideos(folder, [{**ROWS[0], "weights": "v"}])
    write(other, 0)
    other.finish(same={"weights": "v"})
    assert sorted(path.name for path in folder.glob("*.mp4")) == ["00000.mp4", "00003.mp4"]
    assert (folder / "00003.mp4").read_bytes() == b"mine"


def test_a_kill_between_a_file_and_its_hash_leaves_a_folder_that_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    killed = KeptVideos(folder, ROWS)
    killed.begin([0, 1])
    killed.path(0).write_bytes(b"video 0")
    kept = KeptVideos(folder, ROWS)
    assert not kept.is_there(0)
    write(kept, 0, 1, 2, 3)
    kept.finish(same={"weights": "w"})
    assert all(KeptVideos(folder, ROWS).is_there(number) for number in range(4))


def test_captions_with_line_separators_keep_their_videos(tmp_path: Path) -> None:
    rows = [{"text": f"a{end}b", "seed": i, "weights": "w"} for i, end in enumerate("\u2028\u2029\x85\x0b\x0c\x1e\r\n")]
    folder = tmp_path / "videos"
    kept = KeptVideos(folder, rows)
    write(kept, *range(len(rows)))
    kept.finish(same={"weights": "w"})
    again = KeptVideos(folder, rows)
    assert all(again.is_there(number) for number in range(len(rows)))
