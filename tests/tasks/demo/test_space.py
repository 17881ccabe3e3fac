"""The Space's folder: complete, pinned, and started where this package is not; pushed with what it was checked with."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest
import yaml

pytest.importorskip("gradio", reason="gradio is not installed (extra demo)")

from heygen_hf.hub import PushOptions
from heygen_hf.tasks.demo.page_facts import PageExample, PageFacts
from heygen_hf.tasks.demo.space_folder import write_space_folder
from heygen_hf.tasks.demo.space_publishing import publish_space
from heygen_hf.tasks.publishing import publish_run


def of_publishing(name: str):
    """From the tests of publishing, which have a whole finished run."""
    path = Path(__file__).parents[1] / "publishing" / "conftest.py"
    spec = importlib.util.spec_from_file_location("publishing_conftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)


FACTS = PageFacts(title="Tiny: digits", model="someone/tiny", revision="ab" * 20, card_url="https://hub/someone/tiny")


@pytest.fixture
def space(tmp_path: Path) -> Path:
    examples = tmp_path / "drawn"
    examples.mkdir()
    (examples / "sample-00.png").write_bytes(b"picture")
    example = PageExample(prompt="a 'red' 7: \u202e\n---\n", image=str(examples / "sample-00.png"))
    facts = PageFacts(**{**vars(FACTS), "examples": (example,)})
    write_space_folder(tmp_path / "space", facts=facts, licence="apache-2.0", examples_folder=examples)
    return tmp_path / "space"


def test_settings_are_those_of_a_space(space: Path) -> None:
    _, front, text = (space / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    settings = yaml.safe_load(front)
    import gradio

    assert settings["title"] == "Tiny: digits"
    assert (settings["sdk"], settings["sdk_version"]) == ("gradio", gradio.__version__)
    assert (settings["app_file"], settings["license"], settings["models"]) == ("app.py", "apache-2.0", ["someone/tiny"])
    assert {settings["colorFrom"], settings["colorTo"]} <= {
        "red",
        "yellow",
        "green",
        "blue",
        "indigo",
        "purple",
        "pink",
        "gray",
    }
    assert FACTS.revision in text


def test_the_revision_that_was_checked_is_the_one_loaded(space: Path) -> None:
    text = (space / "app.py").read_text()
    assert 'MODEL = "someone/tiny"' in text
    assert f'REVISION = "{FACTS.revision}"' in text
    facts = PageFacts.load(space / "demo.json")
    assert Path(facts.examples[0].image).read_bytes() == b"picture"
    assert str(space.parent / "drawn") not in (space / "demo.json").read_text()


def test_every_import_is_pinned_or_guarded(space: Path) -> None:
    pinned = {line.partition("==")[0].lower() for line in (space / "requirements.txt").read_text().split()}
    assert all("==" in line and "+" not in line for line in (space / "requirements.txt").read_text().split())
    brought = {"PIL": "pillow", "yaml": "pyyaml"}
    own = {path.stem for path in space.glob("*.py")}
    for path in space.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:  # at the top, nothing is guarded
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                tops = {str(name).partition(".")[0] for name in names} - set(sys.stdlib_module_names) - own
                assert {brought.get(top, top).lower() for top in tops} <= pinned
        assert "import heygen_hf" not in path.read_text(encoding="utf-8")
    assert {"av", "gradio", "torch", "diffusers", "transformers"} <= pinned


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files than a Space's"):
        write_space_folder(tmp_path, facts=FACTS, licence=None)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_written_again_it_is_the_same(space: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in space.glob("*.*")}
    write_space_folder(space, facts=FACTS, licence="apache-2.0")
    assert not (space / "examples").exists()
    assert {name for name in before if name != "demo.json"} == {p.name for p in space.glob("*.*")} - {"demo.json"}


@pytest.mark.slow
def test_it_starts_from_the_hub_where_the_package_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    run = of_publishing("write_run")(tmp_path / "tiny_digits")
    with of_publishing("LoopbackHub")() as hub:
        token = sys.modules["loopback_hub"].TOKEN
        where = {"token": token, "endpoint": hub.url}
        published = publish_run(run, repo_id="someone/tiny", **where)
        said: list[str] = []
        made = publish_space(
            run,
            repo_id="someone/tiny",
            space_id="someone/tiny-demo",
            model_folder=published.folder,
            revision=published.pushed.revision,
            options=PushOptions(),
            say=said.append,
            **where,
        )
        assert any("ok  the Space starts, without heygen_hf" in line for line in said)
        files = hub.files("spaces/someone/tiny-demo")
        assert {"app.py", "README.md", "requirements.txt", "demo.json"} <= files.keys()
        assert published.pushed.revision.encode() in files["app.py"]
        assert files["app.py"] == (made.folder / "app.py").read_bytes()
        # only the revision that was checked is asked for
        asked = [line for line in hub.requests if "resolve" in line and "someone/tiny/" in line]
        assert asked
        assert all(published.pushed.revision in line for line in asked)


@pytest.mark.slow
def test_a_space_that_does_not_start_is_not_pushed(tmp_path: Path) -> None:
    run = of_publishing("write_run")(tmp_path / "tiny_digits")
    with pytest.raises(ValueError, match="the Space starts"):
        publish_space(
            run,
            repo_id="someone/tiny",
            space_id="someone/tiny-demo",
            model_folder=run,
            revision=None,
            say=lambda _: None,
        )  # a run's folder has no code for those without the package
