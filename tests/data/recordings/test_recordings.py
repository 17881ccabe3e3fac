"""Recordings of a folder: what they are, how they sound, and what becomes of those that cannot be used."""

import json
import math

import pytest
import torch

from heygen_hf.data import BadVideoError
from heygen_hf.data.recordings import decode_recording, find_recordings, prepare_recordings, split_recordings


@pytest.fixture
def spoken(tmp_path, write_tone):
    """Two digits by two speakers (one with an underscore), three takes each, at a pitch of their own."""
    for digit in range(2):
        for speaker in ("ann", "jo_b"):
            for take in range(3):
                pitch = 300 * (digit + 1) + 10 * take + (5 if speaker == "ann" else 0)
                write_tone(tmp_path / "recordings" / f"{digit}_{speaker}_{take}.wav", pitch=pitch)
    return tmp_path


def loudest_pitch(samples: torch.Tensor, rate: int) -> float:
    spectrum = torch.fft.rfft(samples).abs()
    return float(spectrum.argmax()) * rate / len(samples)


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (16000, 1)])
def test_a_tone_keeps_its_pitch_length_and_loudness_at_any_rate(tmp_path, write_tone, rate, channels):
    path = write_tone(tmp_path / "a.wav", pitch=500, seconds=0.5, rate=rate, channels=channels)
    samples, was_cut = decode_recording(path, sampling_rate=8000)
    assert not was_cut
    assert len(samples) == pytest.approx(4000, abs=20)
    assert loudest_pitch(samples, 8000) == pytest.approx(500, abs=3)
    assert samples.abs().max() == pytest.approx(0.5, abs=0.02)
    if rate == 8000:
        expected = 0.5 * torch.sin(2 * math.pi * 500 * torch.arange(4000) / 8000)
        assert torch.allclose(samples, expected, atol=1e-4)


def test_a_long_recording_is_cut_and_said(tmp_path, write_tone):
    write_tone(tmp_path / "x_ann_0.wav", seconds=1.0)
    samples, was_cut = decode_recording(tmp_path / "x_ann_0.wav", sampling_rate=8000, max_seconds=0.25)
    assert (len(samples), was_cut) == (2000, True)
    dataset, report = prepare_recordings(find_recordings(tmp_path), sampling_rate=8000, max_seconds=0.25)
    assert dataset.duration_seconds(0) == 0.25
    assert "1 recordings are longer than 0.25 s" in report.summary()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "empty"), (b"not a sound at all" * 9, "not a readable"), (None, "does not exist")]
)
def test_a_bad_file_says_why(tmp_path, content, reason):
    path = tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadVideoError, match=reason):
        decode_recording(path, sampling_rate=8000)


def test_labels_and_speakers_come_from_the_names(spoken):
    rows = find_recordings(spoken, label_columns=["digit"])
    assert len(rows) == 12
    assert set(zip(rows.labels["digit"], rows.labels["speaker"], strict=True)) == {
        (digit, speaker) for digit in "01" for speaker in ("ann", "jo_b")
    }
    dataset, report = prepare_recordings(rows, sampling_rate=8000)
    assert (report.num_used, report.skipped) == (12, [])
    item = dataset[0]
    assert item["digit"] == "0"
    assert item["index"] == 0
    assert loudest_pitch(item["audio"], 8000) == pytest.approx(305, abs=6)


def test_labels_come_from_the_metadata_where_there_is_one(tmp_path, write_tone):
    write_tone(tmp_path / "a.wav")
    write_tone(tmp_path / "b.wav", pitch=800)
    lines = [
        {"file_name": "a.wav", "word": "yes", "split": "train"},
        {"file_name": "b.wav", "word": "no", "split": "x"},
    ]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    dataset, _ = prepare_recordings(find_recordings(tmp_path, label_columns=["word"]), sampling_rate=8000)
    assert dataset.labels["word"] == ["yes", "no"]
    assert split_recordings(dataset)[:2] == ([0], [1])


def test_unusable_files_are_counted_and_too_many_are_an_error(spoken):
    (spoken / "recordings" / "0_ann_9.wav").write_bytes(b"")
    rows = find_recordings(spoken)
    dataset, report = prepare_recordings(rows, sampling_rate=8000)
    assert len(dataset) == 12
    assert [name.rsplit("/", 1)[-1] for name, _ in report.skipped] == ["0_ann_9.wav"]
    with pytest.raises(ValueError, match=r"1 of 13 recordings cannot be used .*empty"):
        prepare_recordings(rows, sampling_rate=8000, max_bad_share=0.01)


def test_the_first_takes_of_everyone_are_held_out(spoken):
    dataset, _ = prepare_recordings(find_recordings(spoken), sampling_rate=8000)
    train, test, how = split_recordings(dataset, test_takes=1)
    assert (len(train), len(test)) == (8, 4)
    assert {dataset.labels["take"][row] for row in test} == {"0"}
    assert {(dataset.labels["label"][row], dataset.labels["speaker"][row]) for row in test} == {
        (digit, speaker) for digit in "01" for speaker in ("ann", "jo_b")
    }
    assert "takes 0 to 0" in how
    with pytest.raises(ValueError, match="no recording is left for training"):
        split_recordings(dataset, test_takes=9)


def test_a_copy_of_a_test_recording_is_not_trained_on(spoken):
    folder = spoken / "recordings"
    (folder / "0_ann_1.wav").write_bytes((folder / "0_ann_0.wav").read_bytes())
    dataset, _ = prepare_recordings(find_recordings(spoken), sampling_rate=8000)
    train, test, how = split_recordings(dataset, test_takes=1)
    assert (len(train), len(test)) == (7, 4)
    assert "1 others have the same contents as test recordings and are left out" in how


def test_without_takes_a_share_is_held_out_by_content(tmp_path, write_tone):
    for number in range(10):
        write_tone(tmp_path / f"{number}.wav", pitch=200 + 50 * (number // 2))  # each twice
    rows = [{"file_name": f"{number}.wav", "label": str(number % 3)} for number in range(10)]
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dataset, _ = prepare_recordings(find_recordings(tmp_path), sampling_rate=8000)
    train, test, _ = split_recordings(dataset, test_share=0.3)
    assert sorted(train + test) == list(range(10))
    assert not {dataset.contents[row] for row in train} & {dataset.contents[row] for row in test}


def test_what_is_no_folder_of_recordings_says_so(tmp_path, write_tone):
    with pytest.raises(ValueError, match="does not exist"):
        find_recordings(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no recordings"):
        find_recordings(tmp_path)
    write_tone(tmp_path / "hello.wav")
    with pytest.raises(ValueError, match=r"'hello.wav' is not named LABEL_SPEAKER_INDEX"):
        find_recordings(tmp_path)
    (tmp_path / "metadata.csv").write_text("file_name,word\nhello.wav,hi\n../x.wav,ho\n")
    with pytest.raises(ValueError, match="no column 'label'"):
        find_recordings(tmp_path)
    _, report = prepare_recordings(
        find_recordings(tmp_path, label_columns=["word"]), sampling_rate=8000, max_bad_share=0.5
    )
    assert report.skipped == [("../x.wav", "its name leads out of the folder")]
