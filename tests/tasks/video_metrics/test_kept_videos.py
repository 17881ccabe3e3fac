"""What a killed start of several processes leaves, taken up by one."""

import json
from pathlib import Path

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
