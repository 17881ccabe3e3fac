"""The page: its fields, what it says, and errors as one line."""

import json
from pathlib import Path

import pytest

from heygen_hf.tasks.demo.generator_page import VideoMaker, generator_page
from heygen_hf.tasks.demo.page_facts import PageExample, PageFacts
from heygen_hf.tasks.generation import load_pipeline

FACTS = PageFacts(title="Tiny digits", model="tiny", examples=(PageExample(prompt="a red 7"),), limits="Knows little.")


def test_a_video_comes_with_its_settings(captioned_run) -> None:
    maker = VideoMaker(load_pipeline(captioned_run, device="cpu"), FACTS)
    made, file, message = maker.make({"prompt": "A red 7!", "seed": 4.0}, None)
    assert file.name == "a_red_7_seed_4.mp4"
    assert file.is_file()
    assert message.startswith("0.5 s of video in ")
    settings = json.loads(file.with_suffix(".json").read_text())
    assert settings == made.settings
    assert (settings["model"], settings["seed"]) == ("tiny", 4)
    _, other, _ = maker.make({"prompt": "a blue 1", "seed": 0}, None)
    assert sorted(path.name for path in other.parent.iterdir()) == ["a_blue_1_seed_0.json", "a_blue_1_seed_0.mp4"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"prompt": " ", "seed": 0}, "the prompt is empty: say what the video shows."),
        ({"prompt": "x", "seed": 0, "height": 10}, "height=10 does not fit this model"),
        ({"prompt": "x", "seed": 0, "image": "/secret/place/none.png"}, "none.png: there is no such file"),
    ],
    ids=["empty", "size", "path"],
)
def test_what_is_refused_is_a_line(captioned_run, form, expected) -> None:
    made, file, message = VideoMaker(load_pipeline(captioned_run, device="cpu"), FACTS).make(form, None)
    assert (made, file) == (None, None)
    assert message.replace("\\", "").startswith(expected)
    assert "\n" not in message
    assert "secret" not in message


def test_a_failure_is_a_line_too_and_whole_in_the_log(captioned_run, capsys) -> None:
    pipeline = load_pipeline(captioned_run, device="cpu")
    pipeline.scheduler = None
    made, _, message = VideoMaker(pipeline, FACTS).make({"prompt": "x", "seed": 0}, None)
    assert made is None
    assert message == "the video could not be made (AttributeError)"
    assert "Traceback" in capsys.readouterr().err


def labels(page) -> list[str]:
    components = page.get_config_file()["components"]
    return [one["props"].get("label") for one in components if one["props"].get("visible", True)]


def test_fields_are_what_the_model_takes(captioned_run, talking_run) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed (extra demo)")
    reader = labels(generator_page(load_pipeline(captioned_run, device="cpu"), FACTS))
    assert {"Prompt", "Seed", "Steps", "Guidance, 1 is none", "Frames, 8 a second", "First frame"} <= set(reader)
    assert "Speech" not in reader
    talker = labels(generator_page(load_pipeline(talking_run, device="cpu"), FACTS))
    assert {"Speech", "First frame"} <= set(talker)
    assert not {"Prompt", "Frames, 8 a second"} & set(talker)


def test_one_job_at_a_time_and_nothing_from_elsewhere(captioned_run) -> None:
    pytest.importorskip("gradio", reason="gradio is not installed (extra demo)")
    page = generator_page(load_pipeline(captioned_run, device="cpu"), FACTS)
    assert page._queue.default_concurrency_limit == 1
    assert page.analytics_enabled is False
    said = json.dumps(page.get_config_file())
    assert "Knows little." in said
    assert not list(Path(__file__).parents[3].joinpath("src/heygen_hf").rglob("*.pyi"))  # Gradio likes to write some
