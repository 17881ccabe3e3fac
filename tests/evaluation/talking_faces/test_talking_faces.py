"""The measures of talking faces, on faces rendered from known mouths, sounds and identities."""

import json

import numpy as np
import pytest
import torch

from heygen_hf.data import decode_frames
from heygen_hf.data.talking_faces import ALL_IDENTITIES, draw_face, render_talking_faces, split_identities
from heygen_hf.data.video.audio import decode_audio
from heygen_hf.evaluation.talking_faces import (
    correlation,
    identity_distances,
    loudness_per_frame,
    match_identities,
    mouth_opening,
    speech_correlation,
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Rendered test clips: their frames, mouths, loudness and identities."""
    folder = render_talking_faces(
        tmp_path_factory.mktemp("data") / "faces",
        num_train=1,
        num_validation=1,
        num_test=24,
        num_identities=240,
        progress=False,
    )
    rows = [json.loads(line) for line in (folder / "test" / "metadata.jsonl").read_text().splitlines()]
    found = []
    for row in rows:
        path = folder / "test" / row["file_name"]
        sound = decode_audio(path, start_seconds=0, duration_seconds=2, sampling_rate=16_000).samples.numpy()
        loudness = loudness_per_frame(sound, sampling_rate=16_000, num_frames=50)
        found.append((decode_frames(path).frames, np.array(row["mouth_openings"]), loudness, row["identity"]))
    return found


def blurred(frames: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """What a weak generator might make of a clip: soft and noisy, as floating point."""
    generator = torch.Generator().manual_seed(seed)
    soft = torch.nn.functional.avg_pool2d(frames.float() / 255, 3, stride=1, padding=1, count_include_pad=False)
    return (soft + 0.08 * torch.randn(soft.shape, generator=generator)).clamp(0, 1)


def test_the_mouth_is_measured_as_it_was_drawn(clips):
    measured = [mouth_opening(frames) for frames, *_ in clips]
    true = [openings for _, openings, *_ in clips]
    assert min(speech_correlation(measured, true).per_clip) > 0.98
    assert np.abs(np.concatenate(measured) - np.concatenate(true)).mean() < 0.06
    soft = [mouth_opening(blurred(frames)) for frames, *_ in clips]
    assert speech_correlation(soft, true).mean > 0.95


@pytest.mark.parametrize("number", range(0, 1440, 197))
def test_nods_and_looks_do_not_move_the_measure(number):
    openings = np.tile(np.linspace(0, 1, 11), 2)
    nods = np.repeat([0.0, 2.5], 11)
    measured = mouth_opening(draw_face(ALL_IDENTITIES[number], openings=openings, nods=nods))
    assert np.corrcoef(measured, openings)[0, 1] > 0.99
    assert measured[:11] == pytest.approx(measured[11:], abs=0.1)
    assert measured[0] < 0.03
    assert measured[10] == pytest.approx(1, abs=0.15)


def test_mouths_follow_their_own_sound_and_no_other(clips):
    openings = [mouth_opening(frames) for frames, *_ in clips]
    loudness = [loud for _, _, loud, _ in clips]
    own = speech_correlation(openings, loudness)
    assert own.mean > 0.98
    assert own.low <= own.mean <= own.high
    assert own.high - own.low < 0.02
    other = speech_correlation(openings, loudness[1:] + loudness[:1])
    assert other.mean < 0.2
    assert other.high - other.low > own.high - own.low
    assert "24 clips" in str(other)


def test_a_still_mouth_follows_nothing_and_silence_cannot_be_followed():
    loudness = np.array([0.1, 0.5, 0.2])
    report = speech_correlation([np.zeros(3), loudness], [loudness, loudness])
    assert report.per_clip == pytest.approx((0, 1))
    assert report.num_still == 1
    assert "1 with a still mouth" in str(report)
    assert correlation(-loudness, loudness) == pytest.approx(-1)
    with pytest.raises(ValueError, match="clip 1: the loudness never changes"):
        speech_correlation([loudness, loudness], [loudness, np.zeros(3)])
    with pytest.raises(ValueError, match="do not fit"):
        correlation(loudness, loudness[:2])
    with pytest.raises(ValueError, match="2 clips and 1 sounds"):
        speech_correlation([loudness, loudness], [loudness])
    alone = speech_correlation([loudness], [loudness])
    assert (alone.low, alone.high) == (-1, 1)


@pytest.mark.parametrize("harm", [lambda frames: frames, blurred])
def test_every_face_is_told_from_twenty(clips, harm):
    numbers = sorted({number for *_, number in clips})[:20]
    assert len(numbers) == 20
    references = [draw_face(ALL_IDENTITIES[number], openings=np.zeros(1)) for number in numbers]
    chosen = [(frames, numbers.index(number)) for frames, _, _, number in clips if number in numbers]
    report = match_identities([harm(frames) for frames, _ in chosen], references, [face for _, face in chosen])
    assert report.share == 1
    assert report.num_references == 20
    assert report.low < 1 == report.high
    assert "1 of 20 faces" in str(report)


def test_a_wrong_face_is_told_as_wrong():
    numbers = split_identities(400)["test"][:3]
    first, second, third = (draw_face(ALL_IDENTITIES[number], openings=np.zeros(1)) for number in numbers)
    assert identity_distances(second, [first, second, third]).argmin() == 1
    assert identity_distances(second, [second])[0] == 0
    report = match_identities([first, third], [first, second, third], [0, 1])
    assert report.share == 0.5
    assert report.matched == (0, 2)


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        (np.zeros((2, 64, 64, 3), dtype=np.uint8), r"expected \(frames, 3, height, width\)"),
        (np.zeros((2, 3, 64, 32), dtype=np.uint8), "square"),
        (np.zeros((2, 3, 64, 64), dtype=np.int64), "frames is int64"),
        (torch.full((2, 3, 64, 64), -1.0), r"expected \[0, 1\]"),
        (torch.full((2, 3, 64, 64), float("nan")), r"expected \[0, 1\]"),
    ],
)
def test_frames_of_another_kind_are_refused(frames, complaint):
    with pytest.raises(ValueError, match=complaint):
        mouth_opening(frames)


def test_identities_of_another_size_or_number_are_refused():
    face = draw_face(ALL_IDENTITIES[0], openings=np.zeros(1))
    with pytest.raises(ValueError, match="64 pixels cannot be compared with one of 32"):
        identity_distances(face, [draw_face(ALL_IDENTITIES[0], openings=np.zeros(1), image_size=32)])
    with pytest.raises(ValueError, match="no references"):
        identity_distances(face, [])
    with pytest.raises(ValueError, match="expected face 1 is not among the 1 references"):
        match_identities([face], [face], [1])
    with pytest.raises(ValueError, match="0 clips"):
        match_identities([], [face], [])
