"""Each fault is planted in a folder that would pass, and the gate must name it."""

import json
from pathlib import Path

import numpy as np
import pytest

from heygen_hf.hub.dataset_folder import check_dataset_folder
from heygen_hf.hub.gate import take_manifest

SECRET = "hf_" + "abcdefghijklmnopqrstuvwxyz012345"


def problems(written, **options) -> dict[str, str]:
    checks = check_dataset_folder(written, take_manifest(written.path), **options)
    return {check.name: check.problem for check in checks if check.problem}


@pytest.fixture
def written(collection: Path, write):
    found = write(collection)
    # what is changed below must not be the collection's own file
    for path in found.path.rglob("*.mp4"):
        contents = path.read_bytes()
        path.unlink()
        path.write_bytes(contents)
    return found


def test_without_faults_all_is_well(written) -> None:
    assert problems(written) == {}


def test_a_clip_changed_after_it_was_decoded(written) -> None:
    path = written.path / "train" / "0.mp4"
    path.write_bytes(path.read_bytes() + b"\0")
    assert problems(written) == {"every clip decodes": "train/0.mp4 was changed since it was decoded"}


def test_a_clip_that_is_gone(written) -> None:
    (written.path / "train" / "0.mp4").unlink()
    found = problems(written)
    assert found["every clip decodes"] == "train/0.mp4 is gone since it was decoded"
    assert "names '0.mp4', which is not there" in found["captions refer to files"]


@pytest.mark.parametrize("name", ["../validation/0.mp4", "/etc/passwd", "file:///etc/passwd", "none.mp4"])
def test_a_row_that_names_something_else(written, name: str) -> None:
    path = written.path / "train" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["file_name"] = name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "train/metadata.jsonl line 1" in problems(written)["captions refer to files"]


def test_a_clip_without_a_row(written) -> None:
    (written.path / "train" / "more.mp4").write_bytes(b"x")
    assert problems(written)["captions refer to files"].startswith("train/more.mp4 has no row")


def test_metadata_that_lost_a_row(written) -> None:
    path = written.path / "train" / "metadata.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert problems(written)["captions refer to files"] == "train/metadata.jsonl has 3 rows of 4"


@pytest.mark.parametrize(
    "text",
    [
        f"seen in {Path.home()}/films/a.mp4",
        "/Users/jane/films/a.mp4",
        "C:\\Users\\jane\\a.mp4",
        "/srv/films/2020/a.mp4",
        f"my token is {SECRET}",
    ],
    ids=["home", "mac", "windows", "absolute", "token"],
)
def test_a_row_that_tells_of_a_machine(collection: Path, rows, write, text: str) -> None:
    rows(collection / "validation", [{"file_name": "0.mp4", "text": "fine", "digit": 1, "origin": text}])
    found = problems(write(collection))["nothing of this machine"]
    assert found.startswith("validation/metadata.jsonl line 1 names")
    assert "--leave-out" in found
    assert SECRET not in found
    assert problems(write(collection, leave_out=["origin"])) == {}


@pytest.mark.parametrize("text", ["he says r/films and /s at 24/7 and/or", "da39a3ee5e6b4b0d3255bfef95601890afd80709"])
def test_captions_that_only_look_like_it(collection: Path, rows, write, text: str) -> None:
    rows(collection / "validation", [{"file_name": "0.mp4", "text": text, "digit": 1}])
    assert problems(write(collection)) == {}


def test_more_bad_rows_than_may_be(collection: Path, write) -> None:
    (collection / "train" / "0.mp4").unlink()
    found = write(collection)
    assert "1 of 5 rows, the most is 10%" in problems(found)["rows that cannot be used"]
    assert problems(found, max_bad_share=0.2) == {}


def test_limits_of_the_hub(written) -> None:
    assert "bytes, the most is 100" in problems(written, max_file_bytes=100)["file sizes"]
    assert "the top has 4 entries, the most is 3" in problems(written, max_entries_per_folder=3)["number of files"]
    assert "use --layout webdataset" in problems(written, max_files=4)["number of files"]


@pytest.mark.parametrize("name", ["weights.pkl", "run.sh", "train/clip.exe"])
def test_files_that_belong_to_no_data_set(written, name: str) -> None:
    (written.path / name).write_bytes(b"x")
    assert name in problems(written)["kinds of files"]


def _with_tags(path: Path, tags: dict[str, str]) -> None:
    import av

    with av.open(str(path)) as given, av.open(str(path.with_suffix(".new.mp4")), "w") as made:
        made.metadata.update(tags)
        stream = made.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                made.mux(packet)
    path.with_suffix(".new.mp4").rename(path)


def test_a_clip_that_tells_where_it_was_recorded(collection: Path, write) -> None:
    _with_tags(collection / "train" / "0.mp4", {"location": "+48.1372+011.5756/"})
    found = write(collection)
    assert "'0.mp4' first: take the tags away" in problems(found)["places of recording"]
    assert problems(found, keep_places=True) == {}


@pytest.mark.parametrize(
    "change", [("license: unknown\n", ""), ("split: validation", "split: test"), ("---\n", "--\n")]
)
def test_a_card_that_loaders_cannot_use(written, change: tuple[str, str]) -> None:
    path = written.path / "README.md"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    assert "README.md" in problems(written)["card"]


def test_a_card_that_shows_what_is_not_there(written) -> None:
    path = written.path / "README.md"
    path.write_text(path.read_text() + "\n![frames](frames.png)\n")
    assert problems(written)["card"] == "it shows frames.png, which is not in the folder"


@pytest.mark.parametrize(
    ("tag", "value"),
    [("comment", "/home/someone/raw/take 3.mov"), ("title", "/data/raw/take.mov"), ("comment", f"token {SECRET}")],
)
def test_a_clip_whose_tags_tell_of_a_machine(collection: Path, write, tag: str, value: str) -> None:
    _with_tags(collection / "train" / "0.mp4", {tag: value, "artist": "Someone / somebody else"})
    found = problems(write(collection), keep_places=True)
    assert found.keys() == {"tags of clips"}
    assert f"1 clips have tags that name a place, a user or a secret of a machine, '{tag}' of '0.mp4'" in str(found)
    assert value not in str(found)


def test_a_sound_whose_tags_tell_of_a_machine(collection: Path, write, rows) -> None:
    import av

    with av.open(str(collection / "train" / "0.wav"), "w") as made:
        made.metadata["comment"] = "/home/someone/raw/take.wav"
        stream = made.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        made.mux(stream.encode(frame))
        made.mux(stream.encode())
    rows(collection / "train", [{"file_name": "0.mp4", "audio_file_name": "0.wav", "text": "a clip"}])
    assert "'comment' of '0.mp4'" in problems(write(collection))["tags of clips"]
