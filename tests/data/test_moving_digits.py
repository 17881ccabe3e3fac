"""The embedded data set: what it promises about words, scans, motion, files and determinism."""

import hashlib
import itertools
import json
import os
from collections import Counter

import numpy as np
import pytest
import torch

from heygen_hf.data import decode_frames, load_video_dataset, render_moving_digits
from heygen_hf.data.moving_digits import (
    ALL_TRIPLES,
    COLOURS,
    DIGITS,
    DIRECTIONS,
    Triple,
    choose_unseen_triples,
    read_unseen_triples,
)
from heygen_hf.data.moving_digits.clips import draw_clip, plan_split
from heygen_hf.data.moving_digits.scans import load_scans, split_scans

COUNTS = {"num_train": 216, "num_validation": 40, "num_test": 240}
SHAPE = {"image_size": 32, "digit_size": 22, "num_frames": 8, "seed": 0}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    return render_moving_digits(tmp_path_factory.mktemp("data") / "moving_digits", progress=False, **COUNTS)


@pytest.mark.parametrize("seed", range(20))
def test_unseen_triples_take_no_pair_of_words_from_training(seed):
    unseen = set(choose_unseen_triples(seed))
    assert len(unseen) == 24
    seen = set(ALL_TRIPLES) - unseen
    assert len(seen) == 216
    for first, second in itertools.combinations(range(3), 2):
        pairs = {(triple[first], triple[second]) for triple in seen}
        assert pairs == {(triple[first], triple[second]) for triple in ALL_TRIPLES}
    assert set(Counter(triple.digit for triple in unseen).values()) == {2, 3}


def test_the_seed_decides_which_triples_are_unseen():
    assert choose_unseen_triples(0) == choose_unseen_triples(0)
    assert choose_unseen_triples(0) != choose_unseen_triples(1)


def test_scans_are_split_by_digit_80_10_10_and_none_is_in_two_splits():
    ink, digit_of_scan = load_scans(22)
    assert ink.shape == (1797, 22, 22)
    assert ink.min() >= 0
    assert 0.95 < ink.max() <= 1
    splits = split_scans(digit_of_scan)
    used = [scan for by_digit in splits.values() for scans in by_digit.values() for scan in scans]
    assert sorted(used) == list(range(1797))
    for digit in DIGITS:
        total = sum(len(splits[split][digit]) for split in splits)
        assert len(splits["train"][digit]) / total == pytest.approx(0.8, abs=0.02)
        assert {digit_of_scan[scan] for scan in splits["test"][digit]} == {int(digit)}


@pytest.mark.parametrize(
    ("shape", "speeds"),
    [
        (SHAPE, {1}),
        (SHAPE | {"digit_size": 18}, {1, 2}),
        ({"image_size": 48, "digit_size": 20, "num_frames": 16, "seed": 3}, {1}),
    ],
)
def test_digits_stay_inside_and_move_at_a_constant_whole_speed(shape, speeds):
    ink, digit_of_scan = load_scans(shape["digit_size"])
    scans = split_scans(digit_of_scan)["test"]
    plans = plan_split("test", num_clips=480, scans=scans, **shape)
    assert {plan.speed for plan in plans} == speeds
    travel = shape["image_size"] - shape["digit_size"]
    assert {plan.x for plan in plans} == set(range(travel + 1))
    full = np.ones_like(ink[0])  # every pixel of the digit's square, to see it whole
    for plan in plans:
        frames = draw_clip(plan, full, image_size=shape["image_size"], num_frames=shape["num_frames"])
        lit = frames.any(axis=1)
        corners = []
        for frame in lit:
            rows, columns = np.nonzero(frame.any(axis=1))[0], np.nonzero(frame.any(axis=0))[0]
            assert len(rows) == len(columns) == shape["digit_size"]
            corners.append((columns[0], rows[0]))
        step = np.array(DIRECTIONS[plan.triple.direction]) * plan.speed
        assert (np.diff(corners, axis=0) == step).all()


def test_every_triple_is_equally_frequent_and_a_scan_meets_many_of_them():
    scans = split_scans(load_scans(8)[1])["train"]
    plans = plan_split("train", num_clips=12_288, scans=scans, **SHAPE)
    counts = Counter(plan.triple for plan in plans)
    assert set(counts) == set(ALL_TRIPLES) - set(choose_unseen_triples(0))
    assert set(counts.values()) == {56, 57}
    by_scan: dict[int, set[Triple]] = {}
    for plan in plans:
        by_scan.setdefault(plan.scan, set()).add(plan.triple)
        assert plan.scan in scans[plan.triple.digit]
    assert len(by_scan) == sum(len(numbers) for numbers in scans.values())
    assert min(len(triples) for triples in by_scan.values()) >= 4  # each is drawn 7 to 10 times
    assert len({plan.file_name for plan in plans}) == 12_288


def test_the_folder_is_what_users_have(rendered):
    unseen = set(read_unseen_triples(rendered))
    assert unseen == set(choose_unseen_triples(0))
    used_scans = {}
    for split, num_clips in (("train", 216), ("validation", 40), ("test", 240)):
        rows = [json.loads(line) for line in (rendered / split / "metadata.jsonl").read_text().splitlines()]
        assert len(rows) == num_clips
        assert set(rows[0]) == {"file_name", "text", "colour", "digit", "direction", "scan"}
        triples = [Triple(row["colour"], row["digit"], row["direction"]) for row in rows]
        assert [row["text"] for row in rows] == [f"a {t.colour} {t.digit} moves {t.direction}" for t in triples]
        assert {row["file_name"] for row in rows} == {p.name for p in (rendered / split).glob("*.mp4")}
        assert bool(unseen & set(triples)) == (split != "train")
        assert set(triples) - unseen
        used_scans[split] = {row["scan"] for row in rows}
    assert not used_scans["train"] & (used_scans["validation"] | used_scans["test"])
    assert not used_scans["validation"] & used_scans["test"]
    readme = (rendered / "README.md").read_text()
    assert "CC BY 4.0" in readme
    assert all(f"| {t.colour} | {t.digit} | {t.direction} |" in readme for t in unseen)


def test_a_clip_shows_its_caption(rendered):
    ink, digit_of_scan = load_scans(22)
    dataset = load_video_dataset(rendered, split="test", label_columns=["colour", "digit", "direction", "scan"])
    for row in list(dataset)[:40]:
        clip = decode_frames(row["video"]["path"])
        assert clip.frames.shape == (8, 3, 32, 32)
        assert clip.frame_rate == 8
        assert str(digit_of_scan[int(row["scan"])]) == row["digit"]
        # lossless: the digit's pixels are exactly colour times ink
        drawn = np.rint(np.array(COLOURS[row["colour"]], np.float32)[:, None, None] * ink[int(row["scan"])])
        assert int(clip.frames[0].sum()) == int(drawn.sum())
        centre = centre_of(clip.frames)
        moved = (centre[-1] - centre[0]) / 7
        assert (moved / moved.abs().max()).round().tolist() == list(map(float, DIRECTIONS[row["direction"]]))


def centre_of(frames: torch.Tensor) -> torch.Tensor:
    """Centre of brightness `(frames, 2)` as (x, y)."""
    weight = frames.float().sum(1)
    place = torch.arange(weight.shape[-1])
    total = weight.sum((1, 2))
    return torch.stack([(weight.sum(1) * place).sum(1) / total, (weight.sum(2) * place).sum(1) / total], dim=1)


def test_the_same_options_give_the_same_bytes_and_another_seed_others(rendered, tmp_path):
    counts = {"num_train": 12, "num_validation": 4, "num_test": 6, "progress": False}
    first = render_moving_digits(tmp_path / "a", num_workers=1, **counts)
    second = render_moving_digits(tmp_path / "deeper" / "b", num_workers=2, **counts)
    other = render_moving_digits(tmp_path / "c", seed=1, **counts)
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 12 + 4 + 6 + 3 + 3
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in files)
    metadata = "train/metadata.jsonl"
    assert (first / metadata).read_bytes() != (other / metadata).read_bytes()


def test_size_length_and_rate_are_options(tmp_path):
    folder = render_moving_digits(
        tmp_path / "a",
        num_train=2,
        num_validation=1,
        num_test=1,
        image_size=40,
        num_frames=5,
        frame_rate=12,
        digit_size=24,
        progress=False,
    )
    clip = decode_frames(folder / "train" / "00001.mp4")
    assert clip.frames.shape == (5, 3, 40, 40)
    assert clip.frame_rate == 12


def test_a_finished_set_is_reused_and_said_so(tmp_path, capsys):
    counts = {"num_train": 3, "num_validation": 1, "num_test": 1}
    folder = render_moving_digits(tmp_path / "set", **counts)
    stamp = os.stat(folder / "train" / "00000.mp4").st_mtime_ns
    capsys.readouterr()
    render_moving_digits(tmp_path / "set", **counts)
    assert "already holds these moving digits" in capsys.readouterr().out
    assert os.stat(folder / "train" / "00000.mp4").st_mtime_ns == stamp
    with pytest.raises(ValueError, match="seed 0 instead of 1; set overwrite"):
        render_moving_digits(tmp_path / "set", seed=1, **counts)
    render_moving_digits(tmp_path / "set", seed=1, overwrite=True, progress=False, **counts)
    assert json.loads((folder / "rendering.json").read_text())["seed"] == 1
    (folder / "train" / "00002.mp4").unlink()
    with pytest.raises(ValueError, match="train has 2 of its 3 clips; set overwrite"):
        render_moving_digits(tmp_path / "set", seed=1, **counts)


def test_a_folder_with_anything_else_in_it_is_never_touched(tmp_path):
    counts = {"num_train": 1, "num_validation": 1, "num_test": 1, "progress": False}
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(ValueError, match="holds no finished set of moving digits"):
            render_moving_digits(tmp_path / "mine", overwrite=overwrite, **counts)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ValueError, match=r"thesis\.txt is a file"):
        render_moving_digits(tmp_path / "mine" / "thesis.txt", **counts)
    (tmp_path / "empty").mkdir()
    assert render_moving_digits(tmp_path / "empty", **counts) == tmp_path / "empty"


def test_an_interrupted_rendering_leaves_no_folder(tmp_path, monkeypatch):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("heygen_hf.data.moving_digits.render.folder_readme", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render_moving_digits(tmp_path / "set", num_train=2, num_validation=1, num_test=1, progress=False)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


def test_options_that_cannot_work_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match="cannot move for 16 frames inside 32 pixels; expected image_size of at least 37"
    ):
        render_moving_digits(tmp_path / "set", num_frames=16)
    with pytest.raises(ValueError, match="num_test is 0"):
        render_moving_digits(tmp_path / "set", num_test=0)
    assert not list(tmp_path.iterdir())


def test_what_was_rendered_before_there_was_another_motion_is_rendered_still(tmp_path):
    folder = render_moving_digits(tmp_path / "a", num_train=12, num_validation=4, num_test=6, progress=False)
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        # clips by their pixels: another FFmpeg may pack them otherwise
        digest.update(decode_frames(path).frames.numpy().tobytes() if path.suffix == ".mp4" else path.read_bytes())
    assert digest.hexdigest() == "e7254f3c905f5c78348d09acc771e6eaee40e402cc94306cb8a186bb0682e2db"


@pytest.mark.parametrize("image_size", [32, 24, 23])
def test_a_bouncing_digit_starts_in_its_direction_and_is_turned_back_at_the_borders(image_size):
    ink, digit_of_scan = load_scans(22)
    shape = {"image_size": image_size, "num_frames": 64, "motion": "bounce"}
    plans = plan_split("test", num_clips=240, scans=split_scans(digit_of_scan)["test"], digit_size=22, seed=0, **shape)
    travel = image_size - 22
    assert {plan.speed for plan in plans} == set(range(1, min(2, travel) + 1))
    for plan in plans:
        lit = draw_clip(plan, np.ones_like(ink[0]), **shape).any(axis=1)
        corners = np.array([np.argwhere(frame)[0][::-1] for frame in lit])
        assert (lit.sum((1, 2)) == 22 * 22).all()  # never cut
        step = np.array(DIRECTIONS[plan.triple.direction])
        along, across = (corners @ abs(step)), corners @ (1 - abs(step))
        assert (corners[1] - corners[0] == step * plan.speed).all()
        assert (across == across[0]).all()
        # at even distances from a border the digit reaches it; at odd ones it turns a pixel before, at speed 2
        assert along.min() <= plan.speed - 1
        assert along.max() >= travel - plan.speed + 1
        inside = (along[:-1] >= plan.speed) & (along[:-1] <= travel - plan.speed)
        assert (abs(np.diff(along))[inside] == plan.speed).all()


def test_a_bouncing_set_says_so_and_is_another_set(tmp_path):
    counts = {"num_train": 2, "num_validation": 1, "num_test": 1, "progress": False}
    folder = render_moving_digits(tmp_path / "set", motion="bounce", num_frames=64, **counts)
    assert json.loads((folder / "rendering.json").read_text())["motion"] == "bounce"
    assert "bouncing off the borders" in (folder / "README.md").read_text()
    row = json.loads((folder / "train" / "metadata.jsonl").read_text().splitlines()[0])
    clip = decode_frames(folder / "train" / row["file_name"])
    assert clip.frames.shape == (64, 3, 32, 32)
    moved = centre_of(clip.frames)[1] - centre_of(clip.frames)[0]
    assert (moved / moved.abs().max()).round().tolist() == list(map(float, DIRECTIONS[row["direction"]]))
    assert render_moving_digits(folder, motion="bounce", num_frames=64, **counts) == folder
    with pytest.raises(ValueError, match="motion bounce instead of unset"):
        render_moving_digits(folder, num_frames=8, **counts)
    with pytest.raises(ValueError, match="motion is 'spin'; expected 'linear' or 'bounce'"):
        render_moving_digits(tmp_path / "other", motion="spin", **counts)
    with pytest.raises(ValueError, match="cannot bounce inside 32 pixels; expected image_size of at least 33"):
        render_moving_digits(tmp_path / "other", motion="bounce", digit_size=32, **counts)
