import numpy as np
import pytest

from heygen_hf.evaluation.talking_faces import speech_correlation
from heygen_hf.tasks.audio_to_video.identity import choose_references
from heygen_hf.tasks.audio_to_video.other_speech import choose_partners


def test_other_speech_is_of_another_face_and_other_recordings() -> None:
    recordings = [frozenset("ab"), frozenset("cd"), frozenset("be"), frozenset("f"), frozenset("g")]
    found = choose_partners(5, identities=["x", "x", "y", "z", "y"], recordings=recordings)
    assert found.of_clip == [[3, 4], [2, 3, 4], [3, 1], [4, 0, 1, 2], [0, 1, 3]]
    assert (found.kept_apart, found.note) == (("identity", "recordings"), None)


def test_what_is_not_known_of_other_speech_is_said() -> None:
    found = choose_partners(3, identities=["x", "x", "y"], recordings=None)
    assert found.of_clip == [[2], [2], [0, 1]]
    assert found.note is not None
    assert "recordings" in found.note
    same = choose_partners(2, identities=["x", "x"], recordings=[frozenset("a"), frozenset("b")])
    assert (same.of_clip, same.kept_apart) == ([[1], [0]], ())
    assert same.note is not None


def test_many_partners_are_spread_over_all_clips() -> None:
    found = choose_partners(61, identities=None, recordings=None)
    assert found.of_clip[0] == list(range(1, 61, 3))


def test_a_correlation_with_several_sounds_is_their_mean() -> None:
    rng = np.random.default_rng(0)
    opening, sounds = rng.random(9), rng.random((2, 9))
    single = [speech_correlation([opening], [sound]).mean for sound in sounds]
    assert speech_correlation([opening], [sounds]).mean == pytest.approx(np.mean(single))


def test_a_face_is_known_by_a_clip_that_is_not_judged() -> None:
    assert choose_references(["x", "y", "x", "y", "z"], [0, 1, 4]) == {"x": 2, "y": 3, "z": 4}
