"""From a run to a small Hub on loopback and back, by every promised way, in processes of their own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub
from safetensors.torch import load_file, save_file

from heygen_hf.hub import PushError
from heygen_hf.hub.gate import (
    GateError,
    LoadingWays,
    check_folder,
    load_in_clean_process,
    promised_ways,
    take_manifest,
)
from heygen_hf.hub.push import push_folder
from heygen_hf.hub.repo_folder import read_export, write_repo_folder
from heygen_hf.tasks.publishing import publish_run

NAME = "someone/tiny-digits"
WAYS = [
    "DiffusionPipeline, without heygen_hf",
    "AutoModel transformer, without heygen_hf",
    "AutoImageProcessor processor, without heygen_hf",
    "AutoTokenizer tokenizer, without heygen_hf",
    "VideoGenerationPipeline, with heygen_hf",
    "AutoModel transformer, with heygen_hf",
    "AutoImageProcessor processor, with heygen_hf",
    "AutoTokenizer tokenizer, with heygen_hf",
]


def test_what_is_pushed_loads_back_in_every_way(run: Path, tmp_path: Path, hub: LoopbackHub) -> None:
    """A fresh cache, code of the repository where the package cannot be imported, videos bit for bit."""
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    manifest = take_manifest(exported.path)
    pushed = push_folder(exported.path, manifest, repo_id=NAME, token=TOKEN, endpoint=hub.url)
    checks = load_in_clean_process(
        exported, promised_ways(exported), source=NAME, revision=pushed.revision, endpoint=hub.url, token=TOKEN
    )
    assert {check.name: check.problem for check in checks} == dict.fromkeys(WAYS)
    assert any(f"/resolve/{pushed.revision}/" in request for request in hub.requests)


@pytest.mark.slow
def test_publish_and_load_back(run: Path, hub: LoopbackHub) -> None:
    said: list[str] = []
    published = publish_run(run, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=said.append)

    assert published.pushed is not None
    held = hub.files(NAME)
    names = [check.name for check in published.checks]
    for way in WAYS:
        assert names.count(way) == 2, way  # from the folder, and from the revision that was made
    assert hub.repos[NAME].refs["main"] == published.pushed.revision
    assert {name for name in held if name.endswith(".py")} >= {"pipeline.py", "transformer/transformer_code.py"}
    assert held["transformer/model.safetensors"] == (run / "transformer" / "model.safetensors").read_bytes()
    assert f'"{NAME}"'.encode() in held["README.md"]
    everything = b"".join(data for name, data in held.items() if not name.endswith((".safetensors", ".mp4", ".png")))
    assert TOKEN.encode() not in everything
    assert TOKEN not in "\n".join(said)
    assert str(run).encode() not in everything
    assert not any(name.startswith(("checkpoints/", "recipe", "log")) for name in held)
    # the loader asked the Hub for the revision that was made
    assert any(f"/resolve/{published.pushed.revision}/" in request for request in hub.requests)


@pytest.mark.slow
def test_a_hub_that_fails_while_it_is_loaded_back(run: Path, hub: LoopbackHub) -> None:
    """What is published is said, and the same command finishes."""
    options = {"repo_id": NAME, "token": TOKEN, "endpoint": hub.url, "say": lambda line: None}
    hub.fail("GET", r"/resolve/.*/model_index\.json", status=500, times=999)
    hub.fail("GET", r"/resolve/.*/config\.json", status=500, times=999)
    with pytest.raises(GateError, match=r"is published and did not load as it was checked; the same command") as error:
        publish_run(run, **options)
    assert "\n" not in str(error.value)
    hub.faults.clear()
    commits = dict(hub.repos[NAME].commits)
    assert publish_run(run, **options).pushed is not None
    assert hub.repos[NAME].commits == commits  # nothing was left to push


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("__import__('heygen' + '_hf')", "No module named 'heygen_hf'"),
        ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')", "asks for something over the network"),
    ],
    ids=["package", "network"],
)
def test_code_that_needs_more_than_it_says(run: Path, tmp_path: Path, line: str, expected: str) -> None:
    """Nothing of it is seen by reading the code; only running it tells."""
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    with next(exported.path.glob("video_transformer_*.py")).open("a") as file:
        file.write(f"{line}\n")
    assert not any(check.problem for check in check_folder(exported) if check.name == "code")
    first, *_ = load_in_clean_process(exported, LoadingWays(("pipeline:DiffusionPipeline",), ()))
    assert expected in str(first.problem)


@pytest.mark.slow
def test_what_makes_other_videos_is_not_pushed(unrecorded_run: Path, hub: LoopbackHub, change_weights) -> None:
    """Weights that fit in every way and are others: only the reference tells."""
    shutil.rmtree(unrecorded_run / "checkpoints")
    change_weights(unrecorded_run, lambda held: {name: tensor * 1.01 for name, tensor in held.items()})
    with pytest.raises(GateError, match="frames is not the reference, bit for bit"):
        publish_run(unrecorded_run, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=lambda line: None)
    assert hub.requests == []


@pytest.mark.slow
def test_a_reference_that_is_off_by_one_bit(run: Path, tmp_path: Path) -> None:
    path = run / "reference.safetensors"
    held = load_file(path)
    held["frames"].view(-1)[0] += 1e-7
    save_file(held, str(path))
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    problems = [check.problem for check in load_in_clean_process(exported, promised_ways(exported)) if check.problem]
    assert len(problems) == 2
    assert all("bit for bit" in problem for problem in problems)


@pytest.mark.slow
def test_a_repository_that_is_there_is_left_as_it_was(run: Path, hub: LoopbackHub) -> None:
    first = publish_run(run, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=lambda line: None)
    (run / "README.md").write_text((run / "README.md").read_text() + "\nmore\n")
    with pytest.raises(PushError, match="exists and holds"):
        publish_run(run, repo_id=NAME, token=TOKEN, endpoint=hub.url, say=lambda line: None)
    assert first.pushed is not None
    assert hub.repos[NAME].refs["main"] == first.pushed.revision


def test_local_only_needs_no_token_and_no_hub(run: Path, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("heygen_hf.tasks.publishing.publish.get_token", lambda: None)
    with pytest.raises(PushError, match=r"there is no Hugging Face token.*--local-only"):
        publish_run(run, repo_id=NAME, endpoint=hub.url, say=lambda line: None)
    assert not (run / "repository").exists()
    assert hub.requests == []


def test_the_run_itself_is_left_as_it_was(run: Path, tmp_path: Path) -> None:
    before = {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME, licence="mit")
    assert {path.relative_to(run): path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    card = (exported.path / "README.md").read_text()
    assert "\nlicense: mit\n" in card
    assert "## Licence\n\nmit\n" in card
    index = json.loads((exported.path / "model_index.json").read_text())
    assert index["_class_name"] == ["pipeline", "VideoGenerationPipeline"]


RESAVE = """
import sys

class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] == "heygen_hf":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from diffusers import DiffusionPipeline

pipe = DiffusionPipeline.from_pretrained(sys.argv[1], trust_remote_code=True)
try:
    pipe.save_pretrained(sys.argv[2], push_to_hub=True)
except ValueError as error:
    assert "leave out push_to_hub" in str(error)
pipe.save_pretrained(sys.argv[2])
"""


@pytest.mark.slow
def test_a_pipeline_saved_again_without_the_package_keeps_its_code(run: Path, tmp_path: Path) -> None:
    exported = write_repo_folder(run, tmp_path / "repository", repo_id=NAME)
    again = tmp_path / "again"
    subprocess.run(
        [sys.executable, "-c", RESAVE, str(exported.path), str(again)],
        env={**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    for path in exported.path.rglob("*.py"):
        assert (again / path.relative_to(exported.path)).read_text() == path.read_text()
    for name in ("reference.safetensors", "reference.json"):
        shutil.copy(exported.path / name, again)
    saved = read_export(again)
    ways = promised_ways(saved)
    checks = load_in_clean_process(saved, LoadingWays(ways.without[:2], ways.with_package[:1]))
    assert [check.problem for check in checks] == [None, None, None]
