"""The drawing: identities differ, mouths open by degrees, eyes close, heads nod."""

import numpy as np
import pytest

from heygen_hf.data.talking_faces import ALL_IDENTITIES, MOUTH, MOUTH_INSIDE, SKINS, draw_face, split_identities

FACE = ALL_IDENTITIES[700]


def test_identities_are_split_and_drawn_by_the_seed():
    splits = split_identities(480)
    assert {split: len(numbers) for split, numbers in splits.items()} == {"train": 384, "validation": 48, "test": 48}
    numbers = [number for split in splits.values() for number in split]
    assert len(set(numbers)) == 480
    assert set(numbers) <= set(range(1440))
    assert split_identities(480) == splits
    assert split_identities(480, seed=1) != splits
    for column in ("skin", "hair", "hair_style", "eyes", "face_shape"):  # every word of a held-out face is trained on
        trained = {getattr(ALL_IDENTITIES[number], column) for number in splits["train"]}
        assert trained == {getattr(identity, column) for identity in ALL_IDENTITIES}
    assert {split: len(numbers) for split, numbers in split_identities(3).items()} == dict.fromkeys(splits, 1)


def test_every_identity_looks_different():
    # each of a few faces, and all those that differ from it in one word
    for face in ALL_IDENTITIES[5::500]:
        words = face.attributes.items()
        near = [other for other in ALL_IDENTITIES if len(words & other.attributes.items()) == 4]
        assert len(near) == 4 + 5 + 2 + 3 + 3
        pictures = np.stack([draw_face(identity, openings=np.zeros(1))[0] for identity in (face, *near)])
        assert pictures.dtype == np.uint8
        assert len(np.unique(pictures.reshape(len(pictures), -1), axis=0)) == len(pictures)


@pytest.mark.parametrize("image_size", [32, 64, 96])
def test_the_mouth_opens_in_proportion_and_nothing_else_moves(image_size):
    openings = np.linspace(0, 1, 21)
    frames = draw_face(FACE, openings=openings, image_size=image_size).astype(float)
    assert frames.shape == (21, 3, image_size, image_size)
    scale = image_size / 64
    lips = 0.72 * np.mean(SKINS[FACE.skin])
    dark = np.clip((lips - frames.mean(axis=1)) / (lips - np.mean(MOUTH_INSIDE)), 0, 1)
    box = dark[:, round(37 * scale) : round(49 * scale), round(25 * scale) : round(39 * scale)]
    area = box.sum(axis=(1, 2)) / (np.pi * MOUTH.half_width * MOUTH.half_height * scale**2)
    assert np.corrcoef(area, openings)[0, 1] > 0.995
    assert area[0] < 0.02
    assert area[-1] == pytest.approx(1, abs=0.15)
    assert (frames[:, :, : round(34 * scale)] == frames[:1, :, : round(34 * scale)]).all()
    assert (frames[:, :, round(52 * scale) :] == frames[:1, :, round(52 * scale) :]).all()


def test_eyes_close_and_only_they_change():
    frames = draw_face(FACE, openings=np.zeros(3), eyes_open=np.array([1, 0.5, 0])).astype(int)
    changed = (frames != frames[0]).any(axis=1)
    rows, columns = np.nonzero(changed.any(axis=0))
    assert 25 <= rows.min() <= rows.max() <= 33
    assert 20 <= columns.min() <= columns.max() <= 43
    whites = (frames.min(axis=1) > 180)[:, 25:33].sum(axis=(1, 2))
    assert whites[0] > whites[1] > whites[2] == 0


def test_a_nod_moves_the_head_and_not_the_shoulders():
    frames = draw_face(FACE, openings=np.ones(2), nods=np.array([0.0, 2.0]))
    assert (frames[1, :, 16:49, 26:38] == frames[0, :, 14:47, 26:38]).all()
    assert (frames[1, :, 60:, :20] == frames[0, :, 60:, :20]).all()
