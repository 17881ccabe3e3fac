"""What the page makes is what `heygen-hf generate` makes, and what it refuses it refuses in one line."""

import json
from pathlib import Path

import pytest
import torch

from heygen_hf.data.recordings import decode_recording
from heygen_hf.data.video import probe_video
from heygen_hf.tasks.demo.video_making import make_video
from heygen_hf.tasks.demo.video_request import VideoRequest
from heygen_hf.tasks.generation import generate, load_pipeline

LIMIT = {"max_seconds": 20.0}


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({"prompt": "a red 7 moves left", "seed": 5}, ()),
        ({"prompt": "a red 7 moves left", "num_inference_steps": 3, "guidance_scale": 4.0, "height": 24}, ()),
        ({"prompt": "a blue 1 moves up", "num_frames": 9}, ()),
        ({"prompt": "a blue 1 moves up", "seed": 1}, ("image",)),
        ({"prompt": "a blue 1 moves up", "num_frames": 8}, ("video",)),
    ],
    ids=["prompt", "settings", "windows", "image", "goes on"],
)
def test_same_frames_as_generate(captioned_run, given_files, written, tmp_path, asked, given) -> None:
    options = {name: value for name, value in asked.items() if name != "prompt"}
    files = {name: given_files[name] for name in given}
    generate(
        captioned_run, [asked["prompt"]], output_dir=tmp_path / "out", device="cpu", **options,
        **{name: [file] for name, file in files.items()},
    )  # fmt: skip
    pipeline = load_pipeline(captioned_run, device="cpu")
    made = make_video(pipeline, VideoRequest(**asked, **files), **LIMIT)
    assert torch.equal(made.frames, torch.cat(written))
    row = json.loads((tmp_path / "out" / "metadata.jsonl").read_text())
    for name in (
        "seed",
        "num_inference_steps",
        "guidance_scale",
        "num_frames",
        "height",
        "width",
        "frame_rate",
        *given,
    ):
        assert made.settings[name] == row[name], name


def test_another_seed_gives_other_frames(captioned_run) -> None:
    pipeline = load_pipeline(captioned_run, device="cpu")
    one, other = (make_video(pipeline, VideoRequest(prompt="a red 7", seed=seed), **LIMIT) for seed in (0, 1))
    assert not torch.equal(one.frames, other.frames)


def test_sound_gives_the_same_frames_and_is_in_the_file(talking_run, given_files, written, tmp_path) -> None:
    files = {name: given_files[name] for name in ("image", "audio")}
    [file] = generate(
        talking_run, [], output_dir=tmp_path / "out", device="cpu", seed=3, **{n: [f] for n, f in files.items()}
    )
    made = make_video(load_pipeline(talking_run, device="cpu"), VideoRequest(seed=3, **files), **LIMIT)
    assert torch.equal(made.frames, torch.cat(written))
    here = probe_video(made.write(tmp_path / "made.mp4"))
    assert (here.num_frames, here.has_audio, here.frame_rate) == (8, True, 8)
    sounds = [decode_recording(path, sampling_rate=16_000)[0] for path in (tmp_path / "made.mp4", file)]
    assert sounds[0].abs().max() > 0.1
    assert torch.equal(*sounds)
    assert made.settings["audio"] == "said.wav"  # the name alone


def test_progress_counts_windows_and_steps(captioned_run) -> None:
    seen: list[tuple[int, int, int]] = []
    pipeline = load_pipeline(captioned_run, device="cpu")
    request = VideoRequest(prompt="a red 7", num_frames=6)
    make_video(pipeline, request, progress=lambda *at: seen.append(at), **LIMIT)
    assert seen == [(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prompt": None}, "the prompt is empty"),
        ({"prompt": "x", "num_frames": 161}, "the number of frames is 161: this page takes 1 to 160"),
        ({"prompt": "x", "num_inference_steps": 0}, "the number of steps is 0"),
        ({"prompt": "x", "height": 10}, "height=10 does not fit this model: the nearest that work are"),
        ({"prompt": "x", "width": 4000}, "the width is 4000: this page takes 1 to 48"),
        ({"prompt": "x", "seed": -1}, "the seed is -1"),
        ({"prompt": "x", "mask": "mask.png"}, "give the video too"),
        ({"prompt": "x", "image": "missing.png"}, "missing.png: there is no such file"),
        ({"prompt": "x", "audio": __file__}, "trained without sound"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(captioned_run, asked, message) -> None:
    with pytest.raises(ValueError, match=r"\S") as raised:
        make_video(load_pipeline(captioned_run, device="cpu"), VideoRequest(**asked), **LIMIT)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_long_sound_is_refused(talking_run, given_files) -> None:
    pipeline = load_pipeline(talking_run, device="cpu")
    with pytest.raises(ValueError, match=r"the sound lasts 1.0 s, and this page makes at most 0.8 s"):
        make_video(pipeline, VideoRequest(audio=given_files["audio"]), max_seconds=0.8)


def test_a_form_is_read_as_the_page_sends_it() -> None:
    form = {"prompt": "  a red\n7 ", "seed": 3.0, "num_frames": None, "guidance_caption": 2.0, "guidance_audio": 1.0}
    request = VideoRequest.of_form(form)
    assert request == VideoRequest(prompt="a red 7", seed=3, guidance_scale={"caption": 2.0, "audio": 1.0})
    with pytest.raises(ValueError, match="the seed is empty"):
        VideoRequest.of_form({"prompt": "x", "seed": None})
    with pytest.raises(ValueError, match=r"the number of frames is 4.5: give a whole number"):
        VideoRequest.of_form({"seed": 0, "num_frames": 4.5})


def test_settings_say_how_it_was_made_and_nothing_of_this_machine(captioned_run, tmp_path: Path) -> None:
    made = make_video(load_pipeline(captioned_run, device="cpu"), VideoRequest(prompt="a red 7"), **LIMIT)
    assert {"prompt", "seed", "seconds", "device", "precision", "versions"} <= made.settings.keys()
    text = json.dumps(made.settings)
    assert str(captioned_run.parent) not in text
    assert str(tmp_path) not in text
