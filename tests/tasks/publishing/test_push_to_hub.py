"""`hub.push_to_hub` in a recipe."""

import os
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub

from heygen_hf.tasks.hub_section import HubSection
from heygen_hf.tasks.push_to_hub import check_hub_section, publish_finished_run

NAME = "someone/tiny-digits"
WANTED = {"push_to_hub": True, "repo_id": NAME, "license": "apache-2.0"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"repo_id": None}, "needs hub.repo_id"),
        ({"repo_id": "digits"}, "is no USER/NAME"),
        ({"license": None}, "needs hub.license"),
        ({}, "needs a Hugging Face token"),
    ],
)
def test_what_cannot_work_is_said_before_training(changes, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ValueError, match=expected):
        check_hub_section(HubSection(**(WANTED | changes)))


def test_a_recipe_that_asks_for_nothing(tmp_path: Path) -> None:
    check_hub_section(HubSection())
    check_hub_section(None)
    assert publish_finished_run(tmp_path, HubSection(repo_id=NAME)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_not_published_is_still_a_run(
    run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    (run / "transformer" / "model.safetensors").unlink()
    with pytest.warns(
        UserWarning, match=rf"was not published \(.*try again with: heygen-hf publish .* --repo-id {NAME}"
    ):
        assert publish_finished_run(run, HubSection(**WANTED)) is None
    assert hub.requests == []
    assert TOKEN in os.environ["HF_TOKEN"]


@pytest.mark.slow
def test_a_finished_run_is_published(run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    published = publish_finished_run(run, HubSection(**WANTED, private=True))
    assert published is not None
    assert published.pushed is not None
    assert hub.repos[NAME].private
    assert hub.repos[NAME].refs["main"] == published.pushed.revision
