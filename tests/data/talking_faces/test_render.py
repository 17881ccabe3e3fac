"""Talking faces as a folder: splits, files, sound, determinism and what is refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from heygen_hf.cli.main import app
from heygen_hf.data import decode_frames, load_video_dataset, render_moving_digits
from heygen_hf.data.talking_faces import (
    ALL_IDENTITIES,
    IDENTITY_COLUMNS,
    draw_face,
    loudness_per_frame,
    mouth_openings,
    render_talking_faces,
)
from heygen_hf.data.video.audio import decode_audio

COUNTS = {"num_train": 8, "num_validation": 2, "num_test": 3, "num_identities": 20, "progress": False}
SHORT = COUNTS | {"num_train": 3, "num_validation": 1, "num_test": 1, "num_frames": 15, "image_size": 32}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory, speech_dir):
    return render_talking_faces(tmp_path_factory.mktemp("data") / "faces", speech_dir=speech_dir, **COUNTS)


def rows_of(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / split / "metadata.jsonl").read_text().splitlines()]


def all_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_no_identity_and_no_recording_is_in_two_splits(rendered):
    identities, heard = {}, {}
    account = json.loads((rendered / "recordings.json").read_text())
    for split, num_clips in (("train", 8), ("validation", 2), ("test", 3)):
        rows = rows_of(rendered, split)
        assert len(rows) == num_clips == len(list((rendered / split).glob("*.mp4")))
        identities[split] = {row["identity"] for row in rows}
        heard[split] = {name for row in rows for name in row["recordings"]}
        assert heard[split]
        assert heard[split] <= set(account[split])
        for row in rows:
            identity = ALL_IDENTITIES[row["identity"]]
            assert {name: row[name] for name in IDENTITY_COLUMNS} == identity.attributes
            assert row["text"] == f"a face with {row['hair']} hair speaks"
            assert len(row["mouth_openings"]) == 50
    for used in (identities, heard):
        assert not used["train"] & (used["validation"] | used["test"])
        assert not used["validation"] & used["test"]
    assert len(identities["train"]) == 8  # of 16: each once before any comes twice
    assert sum(len(account[split]) for split in heard) == 12
    assert account["left_out"] == {
        "click.wav": "it lasts 0.050 s, less than 0.1 s",
        "silent.wav": "it is silent",
    }
    readme = (rendered / "README.md").read_text()
    assert "12 recordings given with `--speech-dir`, joined with pauses; 2 more are left out" in readme
    assert "| `test/` | 3 | 2 | 1 |" in readme


def test_a_clip_is_heard_as_its_mouth_moves(rendered):
    row = rows_of(rendered, "train")[0]
    path = rendered / "train" / row["file_name"]
    clip = decode_frames(path)
    assert clip.frames.shape == (50, 3, 64, 64)
    assert clip.frame_rate == 25
    sound = decode_audio(path, start_seconds=0, duration_seconds=2, sampling_rate=16_000)
    assert sound.has_track
    assert sound.num_silent == 0
    openings = mouth_openings(loudness_per_frame(sound.samples.numpy(), sampling_rate=16_000, num_frames=50))
    assert openings == pytest.approx(row["mouth_openings"], abs=0.03)  # AAC is not lossless
    assert max(row["mouth_openings"]) > 0.9  # whatever the level of the recording
    assert min(row["mouth_openings"]) < 0.05
    # the mouth's own rows, where neither blinks nor shoulders are; a frame at rest is the plain drawing
    drawn = draw_face(ALL_IDENTITIES[row["identity"]], openings=np.array(row["mouth_openings"]))
    same = (drawn == clip.frames.numpy()).all(axis=(1, 2, 3))
    assert same.any()
    load = load_video_dataset(rendered, split="train", label_columns=["identity", "hair"])
    assert {str(row["identity"]) for row in load} == {str(row["identity"]) for row in rows_of(rendered, "train")}


def test_faces_blink_and_nod_whatever_they_say(rendered):
    closed = nodded = 0
    for row in rows_of(rendered, "train"):
        frames = decode_frames(rendered / "train" / row["file_name"]).frames.numpy()
        still = draw_face(ALL_IDENTITIES[row["identity"]], openings=np.array(row["mouth_openings"]))
        changed = (frames != still).any(axis=1)
        closed += changed[:, 26:32, 21:29].any(axis=(1, 2)).any()
        nodded += changed[:, 0:20].any(axis=(1, 2)).any()  # only the head is up there
    assert closed >= 4
    assert nodded >= 2


def test_the_same_recordings_give_the_same_bytes_wherever_they_lie(rendered, speech_dir, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.symlink_to(speech_dir)
    again = render_talking_faces(tmp_path / "faces", speech_dir=moved, num_workers=2, **COUNTS)
    assert all_files(again) == all_files(rendered)
    assert str(speech_dir) not in (rendered / "rendering.json").read_text()


def test_a_set_of_made_up_speech_and_when_it_is_used_again(tmp_path, capsys):
    folder = render_talking_faces(tmp_path / "faces", frame_rate=20, sampling_rate=8000, **SHORT)
    row = rows_of(folder, "test")[0]
    assert row["recordings"][0].startswith("synthetic-")
    assert "no real speech" in (folder / "README.md").read_text()
    path = folder / "test" / row["file_name"]
    assert decode_frames(path).frames.shape == (15, 3, 32, 32)
    sound = decode_audio(path, start_seconds=0, duration_seconds=0.75, sampling_rate=8000)
    assert sound.num_silent == 0
    stamp = os.stat(path).st_mtime_ns
    options = SHORT | {"frame_rate": 20, "sampling_rate": 8000}
    render_talking_faces(folder, **options | {"progress": True})
    assert "already holds these talking faces" in capsys.readouterr().out
    assert os.stat(path).st_mtime_ns == stamp
    with pytest.raises(ValueError, match="holds talking faces with seed 0 instead of 1; set overwrite"):
        render_talking_faces(folder, seed=1, **options)


def test_one_set_never_takes_the_place_of_another_kind(tmp_path):
    digits = render_moving_digits(tmp_path / "set", num_train=1, num_validation=1, num_test=1, progress=False)
    with pytest.raises(ValueError, match="holds no finished set of talking faces"):
        render_talking_faces(digits, overwrite=True, **SHORT)
    assert (digits / "unseen_triples.json").is_file()


def test_an_interrupted_rendering_leaves_no_folder(tmp_path, speech_dir, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("heygen_hf.data.talking_faces.render.folder_readme", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_talking_faces(tmp_path / "faces", speech_dir=speech_dir, **SHORT)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_test": 0}, "num_test is 0"),
        ({"num_identities": 2}, "num_identities is 2; expected 3"),
        ({"num_identities": 2000}, r"to 1440 \(every face"),
        ({"image_size": 16}, "image_size is 16; expected at least 32"),
        ({"frame_rate": 0}, "frame_rate is 0"),
        ({"num_frames": 5}, r"num_frames is 5 at 25 frames a second; expected at least 0\.5 s"),
        ({"sampling_rate": 12345}, "sampling_rate is 12345; expected one of 8000"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        render_talking_faces(tmp_path / "faces", **SHORT | options)
    assert not list(tmp_path.iterdir())


def test_the_command_says_which_recordings_are_left_out(tmp_path, speech_dir):
    folder = tmp_path / "faces"
    command = ["data", "talking-faces", "--output-dir", str(folder), "--speech-dir", str(speech_dir)]
    command += ["--num-train", "3", "--num-validation", "1", "--num-test", "1", "--num-frames", "13"]
    result = CliRunner().invoke(app, [*command, "--num-identities", "9", "--seed", "3"], catch_exceptions=False)
    assert result.exit_code == 0
    assert "2 of 14 recordings are left out" in result.stdout
    assert "silent.wav (it is silent)" in result.stdout
    written = json.loads((folder / "rendering.json").read_text())
    assert (written["num_frames"], written["num_identities"], written["seed"]) == (13, 9, 3)
    assert str(folder) in result.stdout.replace("\n", "")
