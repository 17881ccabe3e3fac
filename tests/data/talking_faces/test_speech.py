"""Speech to speak: loudness, levels, splits, long recordings, and folders without any."""

import numpy as np
import pytest

from heygen_hf.data.talking_faces import FULL_LOUDNESS, loudness_per_frame, speech_level, synthesize_speech
from heygen_hf.data.talking_faces.clips import clip_sound, plan_split
from heygen_hf.data.talking_faces.speech import find_speech, hash_speech, make_up_speech, open_speech

RATE = 16_000


def tone(seconds: float, *, gain: float = 0.5, rate: int = RATE) -> np.ndarray:
    return gain * np.sin(2 * np.pi * 400 * np.arange(round(seconds * rate)) / rate)


def test_loudness_is_the_root_mean_square_around_each_frame():
    sound = np.concatenate([np.zeros(RATE // 2), tone(0.5), np.zeros(RATE)])
    loudness = loudness_per_frame(sound, sampling_rate=RATE, num_frames=50)
    assert loudness[14:22] == pytest.approx(0.5 / np.sqrt(2), rel=0.01)
    assert (loudness[:10] == 0).all()
    assert (loudness[27:] == 0).all()
    # where the tone begins the frame looks at half of it
    assert loudness_per_frame(tone(1.0), sampling_rate=RATE, num_frames=2, frame_rate=1000)[0] == pytest.approx(
        0.5 / 2, rel=0.02
    )
    slow = loudness_per_frame(sound[::2], sampling_rate=RATE // 2, num_frames=50)
    assert slow == pytest.approx(loudness, abs=0.01)


def test_one_loud_moment_does_not_set_the_level():
    speech = tone(4.0, gain=0.1)
    coughed = np.concatenate([speech, tone(0.1, gain=1.0), np.zeros(RATE)])
    assert speech_level(coughed, sampling_rate=RATE) < 2 * speech_level(speech, sampling_rate=RATE)
    assert speech_level(np.zeros(RATE), sampling_rate=RATE) == 0


def test_recordings_are_brought_to_one_level(speech_dir):
    speech = open_speech(find_speech(speech_dir), sampling_rate=RATE, seed=0)
    assert len(speech.recordings) == 12
    for row in range(12):
        assert speech_level(speech.samples(row), sampling_rate=RATE) == pytest.approx(FULL_LOUDNESS, rel=0.02)


def test_copies_of_a_recording_stay_in_one_split(tmp_path, write_wav):
    for number in range(10):
        samples = synthesize_speech(number, sampling_rate=8000)
        for name in ("a", "b"):
            write_wav(tmp_path / f"{name}{number}.wav", samples, rate=8000)
    speech = open_speech(find_speech(tmp_path), sampling_rate=8000, seed=0)
    names = {split: {speech.recordings.file_names[row] for row in rows} for split, rows in speech.splits.items()}
    assert {split: len(found) for split, found in names.items()} == {"train": 16, "validation": 2, "test": 2}
    for found in names.values():
        assert {name[1:] for name in found if name[0] == "a"} == {name[1:] for name in found if name[0] == "b"}


def test_a_long_recording_is_heard_where_somebody_speaks(tmp_path, write_wav):
    for number in range(3):
        pause = np.zeros(4 * RATE)
        samples = np.concatenate([pause, tone(0.5, gain=0.3 + 0.1 * number), pause])
        write_wav(tmp_path / f"{number}.wav", samples, rate=RATE)
    speech = open_speech(find_speech(tmp_path), sampling_rate=RATE, seed=0)
    options = {"identities": [0], "speech": speech, "num_frames": 25, "frame_rate": 25.0, "seed": 0}
    plans = plan_split("train", num_clips=20, **options)
    for plan in plans:
        sound = clip_sound(plan, speech, num_samples=RATE)
        assert sound.shape == (RATE,)
        assert speech_level(sound, sampling_rate=RATE) > 0.5 * FULL_LOUDNESS
    assert len({plan.pieces[0].offset for plan in plans}) > 3


def test_short_recordings_are_joined_with_pauses(speech_dir):
    speech = open_speech(find_speech(speech_dir), sampling_rate=RATE, seed=0)
    options = {"identities": [0, 1], "speech": speech, "num_frames": 100, "frame_rate": 25.0, "seed": 0}
    plans = plan_split("train", num_clips=20, **options)
    for plan in plans:
        assert 2 <= len(plan.pieces) <= 12
        for first, second in zip(plan.pieces, plan.pieces[1:], strict=False):
            pause = (second.start - first.start - first.length) / RATE
            assert 0.1 <= round(pause, 3) <= 0.6
        last = plan.pieces[-1]
        assert last.start + last.length <= 4 * RATE
    assert {plan.identity for plan in plans[:2]} == {0, 1}


def test_made_up_speech_has_words_and_pauses_and_a_seed():
    first = synthesize_speech(3, sampling_rate=RATE)
    assert first.dtype == np.float32
    assert 0.1 < len(first) / RATE < 4
    assert abs(first).max() == pytest.approx(0.5)
    assert (synthesize_speech(3, sampling_rate=RATE) == first).all()
    other = synthesize_speech(3, sampling_rate=RATE, seed=1)
    assert len(other) != len(first) or (other != first).any()
    speech = make_up_speech(sampling_rate=8000, seed=0)
    assert {split: len(rows) for split, rows in speech.splits.items()} == {"train": 320, "validation": 40, "test": 40}
    loudness = [
        loudness_per_frame(speech.samples(row), sampling_rate=8000, num_frames=12, frame_rate=25) for row in range(40)
    ]
    assert np.mean(loudness) > 0.3 * FULL_LOUDNESS
    assert np.mean(np.std(loudness, axis=1)) > 0.15 * FULL_LOUDNESS


def test_the_hash_is_of_names_and_bytes(speech_dir, tmp_path, write_wav):
    assert hash_speech(find_speech(speech_dir)) == hash_speech(find_speech(speech_dir))
    write_wav(tmp_path / "a.wav", tone(0.2), rate=RATE)
    before = hash_speech(find_speech(tmp_path))
    write_wav(tmp_path / "a.wav", tone(0.2, gain=0.4), rate=RATE)
    assert hash_speech(find_speech(tmp_path)) != before


def test_folders_without_speech_are_refused(tmp_path, write_wav):
    with pytest.raises(ValueError, match="nowhere' does not exist; name a folder with recordings"):
        find_speech(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ValueError, match="has no recordings"):
        find_speech(tmp_path)
    for number in range(3):
        write_wav(tmp_path / f"silent{number}.wav", np.zeros(RATE + number), rate=RATE)
    write_wav(tmp_path / "speech.wav", tone(0.5), rate=RATE)
    with pytest.raises(ValueError, match=r"1 different recordings .* at least 3, .*'silent0.wav': it is silent"):
        open_speech(find_speech(tmp_path), sampling_rate=RATE, seed=0)
    (tmp_path / "broken.wav").write_bytes(b"RIFF, not really")
    with pytest.raises(ValueError, match=r"1 of 5 recordings cannot be used .*broken.wav"):
        open_speech(find_speech(tmp_path), sampling_rate=RATE, seed=0)
