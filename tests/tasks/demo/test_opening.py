"""What a page says of a run, and what has no page."""

from pathlib import Path

import pytest

from heygen_hf.hub import CardFacts, SampleImage, write_card
from heygen_hf.tasks.demo.opening import open_generator
from heygen_hf.tasks.demo.page_facts import PageFacts


def opened(source: object, tmp_path: Path) -> PageFacts:
    return open_generator(str(source), device="cpu", max_seconds=20.0, examples_folder=tmp_path / "examples")[1]


def test_of_a_run(captioned_run, tmp_path) -> None:
    facts = opened(captioned_run, tmp_path)
    assert (facts.title, facts.model, facts.limits) == ("Tiny digits", "tiny_digits", "It knows next to nothing.")
    assert facts.card == "\n\nSome tiny digits.\n"  # without settings, title and pictures
    assert [example.prompt for example in facts.examples] == ["a red 7 moves left", "a blue 1 moves up"]


def test_of_a_folder_without_the_run(captioned_run, tmp_path) -> None:
    """As a repository has it: the captions are those that its card shows."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    for path in captioned_run.iterdir():
        if path.name not in ("recipe.yaml", "run.json", "README.md"):
            (folder / path.name).symlink_to(path)
    samples = [SampleImage(path="samples/samples.png", prompts=["a *red* 7", "2. a blue_1"])]
    (folder / "samples").mkdir()
    (folder / "samples" / "samples.png").touch()
    write_card(folder, CardFacts(title="Tiny digits", licence="apache-2.0", samples=samples))
    facts = opened(folder, tmp_path)
    assert (facts.title, facts.model) == ("Tiny digits", "elsewhere")
    assert [example.prompt for example in facts.examples] == ["a *red* 7", "2. a blue_1"]


def test_first_frames_and_sounds_are_those_of_samples(talking_run, tmp_path) -> None:
    facts = opened(talking_run, tmp_path)
    [example] = facts.examples
    assert Path(example.image).read_bytes()[:4] == b"\x89PNG"
    assert Path(example.audio).read_bytes()[:4] == b"RIFF"
    moved = facts.relative_to(tmp_path / "examples", "files").examples[0]
    assert (moved.image, moved.audio) == ("files/sample-00.png", "files/sample-00.wav")


def test_facts_are_saved_and_read_again(talking_run, tmp_path) -> None:
    facts = opened(talking_run, tmp_path)
    facts.relative_to(tmp_path / "examples", "examples").save(tmp_path / "demo.json")
    assert PageFacts.load(tmp_path / "demo.json") == facts


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "is no run"),
        ({"recipe.yaml": "task: text_to_video\n"}, "its training has not finished"),
        ({"config.json": "{}", "recipe.yaml": "task: text\n"}, "makes no videos"),
    ],
    ids=["empty", "unfinished", "no generator"],
)
def test_what_has_no_page(tmp_path, files, message) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message):
        opened(tmp_path, tmp_path)


@pytest.mark.parametrize("source", ["outputs/nothing_here", "./nothing", "nothing", "a/b/c"])
def test_no_such_run_is_not_looked_for_on_the_hub(source, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="there is no run at"):
        opened(source, tmp_path)


def test_a_hub_that_is_not_there_is_one_line(tmp_path) -> None:
    """The tests are offline."""
    with pytest.raises(ValueError, match="there is no folder someone/nothing, and the Hub does not give") as raised:
        opened("someone/nothing", tmp_path)
    assert "\n" not in str(raised.value)
