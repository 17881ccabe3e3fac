"""Clips and captions changed by seed: how often, the same for all frames, true to the words."""

import json
import math
import random
import sys

import numpy as np
import pytest
import torch

from heygen_hf.data.augmentation import VideoAugmentation

BY_KORNIA = ["brightness", "contrast", "saturation", "hue", "grayscale", "gaussian_blur"]
ON_PIXELS = ["rotation", "zoom", "affine", *BY_KORNIA, "gaussian_noise", "random_erasing"]
ON_TIME = ["reverse", "speed", "frame_drop", "temporal_jitter"]
FLIPS = ["horizontal_flip", "vertical_flip"]
EVERYTHING = {f"{name}_prob": 1.0 for name in (*FLIPS, *ON_PIXELS, *ON_TIME)}


@pytest.fixture
def frames(random_frames):
    return random_frames(6, height=12, width=16)


def only(name: str, **options) -> VideoAugmentation:
    return VideoAugmentation(**{f"{name}_prob": 1.0}, **options)


def test_off_is_the_very_same_clip(frames):
    out, text = VideoAugmentation()(frames, "moves left", seed=1)
    assert out is frames
    assert text == "moves left"
    assert VideoAugmentation().frame_positions(4, 1) == [0, 1, 2, 3]


@pytest.mark.parametrize(("name", "dim"), [("horizontal_flip", -1), ("vertical_flip", -2), ("reverse", 0)])
def test_mirrors_and_reversal_are_exact(frames, name, dim):
    assert torch.equal(only(name)(frames, seed=0)[0], frames.flip(dim))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip", "reverse"])
def test_the_share_of_seeds_is_the_probability(name, probability):
    augmentation = VideoAugmentation(**{f"{name}_prob": probability})
    clip = torch.arange(4, dtype=torch.uint8).reshape(2, 1, 2, 1) + torch.tensor([0, 100], dtype=torch.uint8)
    trials = 2000
    changed = sum(not torch.equal(augmentation(clip, seed=seed)[0], clip) for seed in range(trials))
    # five standard deviations of a binomial count
    assert abs(changed - trials * probability) < 5 * math.sqrt(trials * probability * (1 - probability))


def test_flips_are_drawn_independently_of_each_other():
    augmentation = VideoAugmentation(horizontal_flip_prob=0.5, vertical_flip_prob=0.5)
    clip = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
    seen = [augmentation(clip, seed=seed)[0].flatten().tolist() for seed in range(400)]
    for outcome in ([0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]):
        assert 60 < seen.count(outcome) < 140


@pytest.mark.parametrize("name", [*ON_PIXELS, *ON_TIME])
def test_each_operation_changes_clips_and_is_decided_by_the_seed(frames, name):
    augmentation = only(name)
    results = [augmentation(frames, seed=seed)[0] for seed in range(6)]
    for seed, result in enumerate(results):
        assert result.shape == frames.shape
        assert result.dtype == torch.uint8
        assert torch.equal(result, augmentation(frames, seed=seed)[0])
    assert any(not torch.equal(result, frames) for result in results)
    if name not in ("grayscale", "reverse", "frame_drop"):  # at 1 these have nothing to draw
        assert any(not torch.equal(results[0], result) for result in results[1:])


def test_switching_one_operation_on_leaves_what_the_others_draw():
    noisy, both = only("horizontal_flip"), VideoAugmentation(horizontal_flip_prob=0.5, speed_prob=0.5)
    half = VideoAugmentation(horizontal_flip_prob=0.5)
    clip = torch.arange(2, dtype=torch.uint8).reshape(1, 1, 1, 2)
    for seed in range(50):
        assert torch.equal(half(clip, seed=seed)[0], both(clip, seed=seed)[0])
    assert torch.equal(noisy(clip, seed=0)[0], clip.flip(-1))


def test_no_global_random_state_is_read_or_moved(frames):
    augmentation = VideoAugmentation(**EVERYTHING, per_frame=("gaussian_noise", "rotation"))
    first, _ = augmentation(frames, seed=5)
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    augmentation(frames, seed=6)
    assert random.getstate() == states[0]
    assert (np.random.get_state()[1] == states[1]).all()
    assert torch.equal(torch.get_rng_state(), states[2])
    torch.manual_seed(99)
    random.seed(99)
    np.random.seed(99)
    assert torch.equal(augmentation(frames, seed=5)[0], first)


@pytest.mark.parametrize("name", [*ON_PIXELS, *FLIPS])
def test_the_same_change_for_all_frames(random_frames, name):
    still = random_frames(1, height=12, width=16).expand(5, -1, -1, -1)
    for seed in range(4):
        out, _ = only(name)(still, seed=seed)
        assert torch.equal(out, out[:1].expand_as(out))


@pytest.mark.parametrize("name", [name for name in ON_PIXELS if name != "grayscale"])
def test_per_frame_draws_anew_for_each(random_frames, name):
    still = random_frames(1, height=12, width=16).expand(6, -1, -1, -1)
    out, _ = only(name, per_frame=(name,))(still, seed=3)
    assert len({frame.numpy().tobytes() for frame in out}) > 3


def test_per_frame_probability_is_of_the_frames(random_frames):
    still = random_frames(1, height=4, width=4).expand(400, -1, -1, -1)
    augmentation = VideoAugmentation(grayscale_prob=0.25, per_frame=["grayscale"])
    out, _ = augmentation(still, seed=0)
    changed = (out != still).flatten(1).any(dim=1)
    assert 60 < int(changed.sum()) < 140
    assert torch.equal(out[~changed], still[~changed])


def test_turning_leaves_no_empty_corners():
    white = torch.full((2, 3, 20, 32), 255, dtype=torch.uint8)
    for seed in range(10):
        out, _ = VideoAugmentation(rotation_prob=1, max_rotation_degrees=45, zoom_prob=1)(white, seed=seed)
        assert int(out.min()) == 255


def test_affine_moves_by_what_is_drawn():
    dot = torch.zeros(2, 3, 21, 41, dtype=torch.uint8)
    dot[..., 10, 20] = 255  # the centre, which turning and scaling leave where it is
    turned = only("affine", max_affine_shift=0.0)
    for seed in range(5):
        assert int(turned(dot, seed=seed)[0][0, 0, 10, 20]) > 250
    places = set()
    moved = only("affine", max_affine_degrees=0, max_affine_scaling=0, max_affine_shear=0, max_affine_shift=0.2)
    for seed in range(40):
        light = moved(dot, seed=seed)[0][0, 0].float()
        assert abs(light.sum() - 255) < 4  # it is neither stretched nor lost
        places.add((int(light.sum(1).argmax()), int(light.sum(0).argmax())))
    rows, columns = zip(*places, strict=True)
    assert 6 <= min(rows) < 8 < 12 < max(rows) <= 14  # a fifth of 21 rows and of 41 columns, either way
    assert 12 <= min(columns) < 15 < 25 < max(columns) <= 28


@pytest.mark.parametrize("name", ["rotation", "affine"])
def test_turning_is_counterclockwise_by_the_degrees(name):
    from heygen_hf.data.augmentation import pixels

    bar = torch.zeros(1, 1, 33, 33)
    bar[..., 16, 20:28] = 1  # to the right of the centre
    one, nothing = torch.ones(1), torch.zeros(1)
    degrees = torch.full((1,), 90.0)
    if name == "rotation":
        turned = pixels.rotate_and_zoom(bar, degrees=degrees, zoom=one, across=nothing, down=nothing)
    else:
        still = {"shear": nothing, "shift_x": nothing, "shift_y": nothing}
        turned = pixels.transform_affine(bar, degrees=degrees, scale_x=one, scale_y=one, **still)
    assert torch.allclose(turned, bar.rot90(1, (-2, -1)), atol=1e-4)


def test_rotation_and_zoom_are_kornias():
    from kornia.geometry.transform import warp_affine

    from heygen_hf.data.augmentation import pixels

    frames = torch.rand(2, 3, 12, 16)
    degrees, zoom, aside = torch.tensor([20.0, -5.0]), torch.tensor([1.5, 1.0]), torch.tensor([0.5, 0.0])
    ours = pixels.rotate_and_zoom(frames, degrees=degrees, zoom=zoom, across=aside, down=-aside)
    turn = degrees.deg2rad()
    cosine, sine = turn.cos(), turn.sin()
    cover = torch.maximum(cosine.abs() + sine.abs() * 11 / 15, cosine.abs() + sine.abs() * 15 / 11)
    cosine, sine = zoom * cover * cosine, zoom * cover * sine
    right = 7.5 - cosine * 7.5 - sine * 5.5 - aside * (zoom - 1) * 7.5
    below = 5.5 + sine * 7.5 - cosine * 5.5 + aside * (zoom - 1) * 5.5
    matrix = torch.stack([torch.stack([cosine, sine, right], -1), torch.stack([-sine, cosine, below], -1)], -2)
    theirs = warp_affine(frames, matrix, (12, 16), padding_mode="border", align_corners=True)
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_zoom_shows_a_part_of_the_picture():
    rows = torch.linspace(0, 255, 33).round().to(torch.uint8).reshape(1, 1, 33, 1).expand(2, 3, 33, 33)
    ranges = []
    for seed in range(20):
        out, _ = only("zoom", max_zoom=2.0)(rows, seed=seed)
        ranges.append(int(out.max()) - int(out.min()))
        assert ranges[-1] >= 126  # at least half of it
        assert torch.equal(out[..., :1].expand_as(out), out)  # columns are still equal: nothing is turned
    assert min(ranges) < 170


def test_brightness_multiplies_within_its_range():
    grey = torch.full((2, 3, 4, 4), 100, dtype=torch.uint8)
    levels = {int(only("brightness", brightness=0.3)(grey, seed=seed)[0].max()) for seed in range(60)}
    assert 70 <= min(levels) < 80
    assert 120 < max(levels) <= 130


def test_erasing_blacks_out_one_rectangle_of_the_area_asked_for():
    white = torch.full((2, 3, 20, 20), 255, dtype=torch.uint8)
    for seed in range(20):
        out, _ = only("random_erasing", random_erasing_area=(0.1, 0.2))(white, seed=seed)
        black = (out == 0).all(dim=1)
        assert 0.08 < float(black.float().mean()) < 0.22
        rows, columns = black[0].any(dim=1), black[0].any(dim=0)
        assert int(rows.sum() * columns.sum()) == int(black[0].sum())


def test_time_is_changed_in_order_and_within_the_clip():
    clip = torch.arange(8, dtype=torch.uint8).reshape(8, 1, 1, 1)

    def shown(**options) -> list[int]:
        return VideoAugmentation(**options)(clip, seed=0)[0].flatten().tolist()

    assert shown(speed_prob=1, speed_range=(2, 2)) == [0, 2, 4, 6, 7, 7, 7, 7]
    assert shown(speed_prob=1, speed_range=(0.5, 0.5)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert shown(frame_drop_prob=1) == [0] * 8
    jittered = shown(temporal_jitter_prob=1, max_temporal_jitter_frames=2)
    assert jittered == sorted(jittered) != list(range(8))
    assert all(abs(frame - place) <= 2 for place, frame in enumerate(jittered))
    dropped = VideoAugmentation(frame_drop_prob=0.5)(torch.arange(256, dtype=torch.uint8).reshape(256, 1, 1, 1), seed=0)
    repeats = (dropped[0].flatten()[1:] == dropped[0].flatten()[:-1]).sum()
    assert 90 < int(repeats) < 166


def test_positions_name_the_frames_to_decode():
    augmentation = VideoAugmentation(speed_prob=1, speed_range=(1.5, 1.5), reverse_prob=0.5, horizontal_flip_prob=0.5)
    source = torch.arange(12, dtype=torch.uint8).reshape(12, 1, 1, 1).repeat(1, 1, 1, 2)
    source[..., 1] += 100
    seen = set()
    for seed in range(20):
        positions = augmentation.frame_positions(4, seed)
        decoded = source[[int(position) for position in positions]]
        out, _ = augmentation(decoded, seed=seed, positioned=True)
        assert sorted(out.flatten(1).amin(dim=1).tolist()) == [0, 1, 3, 4]
        seen.add((positions[0], bool(out[0, 0, 0, 0] >= 100)))
    assert seen == {(0.0, False), (0.0, True), (4.5, False), (4.5, True)}
    assert augmentation.frame_positions(4, 0, text="the door opens") == [0, 1.5, 3, 4.5]  # never reversed


def test_refuse_keeps_a_clip_whose_words_would_be_false(frames):
    augmentation = only("horizontal_flip")
    assert augmentation(frames, "a red 7 moves left", seed=0)[0] is frames
    assert torch.equal(augmentation(frames, "a bright 7 moves up", seed=0)[0], frames.flip(-1))
    kept, text, labels = augmentation(frames, "a 7", labels={"direction": "right", "digit": 7}, seed=0)
    assert kept is frames
    assert (text, labels) == ("a 7", {"direction": "right", "digit": 7})
    assert torch.equal(augmentation(frames, None, labels={"direction": "up"}, seed=0)[0], frames.flip(-1))


def test_swap_flips_the_clip_and_the_words(frames):
    augmentation = VideoAugmentation(horizontal_flip_prob=0.5, caption_policy="swap")
    for seed in range(20):
        out, text, labels = augmentation(frames, "Moves left", labels={"direction": "left", "digit": 7}, seed=seed)
        if torch.equal(out, frames):
            assert (text, labels) == ("Moves left", {"direction": "left", "digit": 7})
        else:
            assert torch.equal(out, frames.flip(-1))
            assert (text, labels) == ("Moves right", {"direction": "right", "digit": 7})
    both = VideoAugmentation(horizontal_flip_prob=1, vertical_flip_prob=1, caption_policy="swap")
    out, text = both(frames, "up and left, clockwise", seed=0)
    assert torch.equal(out, frames.flip((-1, -2)))
    assert text == "down and right, clockwise"  # half a turn keeps the sense of rotation


def test_swap_still_refuses_what_has_no_sure_opposite(frames):
    augmentation = only("reverse", caption_policy="swap")
    assert augmentation(frames, "walks left", seed=0) == (frames, "walks left")
    out, text = augmentation(frames, "walks backwards", seed=0)
    assert torch.equal(out, frames.flip(0))
    assert text == "walks forwards"
    declared = only("reverse", caption_policy="swap", more_direction_words={"reverse": [["left", "right"]]})
    assert declared(frames, "walks left", seed=0)[1] == "walks right"


def test_ignore_changes_the_clip_and_not_the_words(frames):
    out, text = only("horizontal_flip", caption_policy="ignore")(frames, "left", seed=0)
    assert torch.equal(out, frames.flip(-1))
    assert text == "left"


def test_refused_captions_are_counted():
    captions = ["moves left", "moves up", "a bright day", "turns clockwise"]
    options = {"horizontal_flip_prob": 0.5, "reverse_prob": 0.1}
    assert VideoAugmentation(**options).count_refused(captions) == {"horizontal_flip": 2, "reverse": 3}
    swap = VideoAugmentation(**options, caption_policy="swap")
    assert swap.count_refused(captions) == {"horizontal_flip": 0, "reverse": 2}
    assert VideoAugmentation().count_refused(captions) == {}


def test_options_go_through_a_recipe_and_are_described():
    augmentation = VideoAugmentation(
        horizontal_flip_prob=0.5,
        rotation_prob=0.25,
        speed_range=(1, 2),
        per_frame=["brightness"],
        caption_policy="swap",
        more_direction_words={"horizontal_flip": [["links", "rechts"]]},
    )
    again = VideoAugmentation.from_dict(json.loads(json.dumps(augmentation.to_dict())))
    assert again == augmentation
    assert isinstance(again, VideoAugmentation)
    line = augmentation.describe()
    for part in ("horizontal flip (0.5)", "rotation up to 10° (0.25)", "swapped"):
        assert part in line
    assert "\n" not in line
    assert VideoAugmentation().describe() == "no augmentation"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"horizontal_flip_prob": 1.5}, "horizontal_flip_prob is 1.5; expected a probability from 0 to 1"),
        ({"zoom_prob": -0.1}, "zoom_prob is -0.1"),
        ({"reverse_prob": "0.5"}, "reverse_prob is '0.5'"),
        ({"speed_prob": float("nan")}, "speed_prob is nan"),
        ({"max_zoom": 0.5}, "max_zoom is 0.5; expected a factor from 1"),
        ({"hue": 0.6}, "hue is 0.6"),
        ({"max_affine_scaling": 1.0}, "max_affine_scaling is 1.0"),
        ({"speed_range": (2.0, 1.0)}, "the lower first"),
        ({"speed_range": (0.0, 1.0)}, "speed_range is"),
        ({"random_erasing_area": 0.1}, "expected two numbers"),
        ({"max_temporal_jitter_frames": 0}, "expected a whole number from 1"),
        ({"caption_policy": "keep"}, "expected one of refuse, swap, ignore"),
        ({"per_frame": ("horizontal_flip",)}, "cannot be done frame by frame"),
        ({"per_frame": "brightness"}, "expected a list of names"),
        ({"more_direction_words": {"flip": []}}, "horizontal_flip"),
        ({"more_direction_words": {"reverse": ["left"]}}, "has the pair 'left'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint) as caught:
        VideoAugmentation(**options)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(ValueError, match="no option 'horizontal_flip'; did you mean 'horizontal_flip_prob'"):
        VideoAugmentation.from_dict({"horizontal_flip": 0.5})


def test_frames_of_another_kind_are_refused(frames):
    with pytest.raises(ValueError, match="before they are normalised"):
        VideoAugmentation()(frames.float(), seed=0)
    with pytest.raises(ValueError, match="hue need 3 channels and the frames have 1"):
        only("hue")(frames[:, :1], seed=0)


def test_kornia_is_missed_only_where_it_is_needed(frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia", None)
    for name in (*FLIPS, *ON_TIME, *(set(ON_PIXELS) - set(BY_KORNIA))):
        assert only(name)(frames, seed=1)[0].shape == frames.shape
    for name in BY_KORNIA:
        with pytest.raises(ImportError, match=r"augmenting clips: .*heygen_hf\[augmentation\]"):
            only(name)
