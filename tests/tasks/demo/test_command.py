"""`heygen-hf demo`: what it refuses, and a model of the Hub."""

import contextlib
import json
import socket
import sys
import urllib.request
from pathlib import Path

import pytest
from demo_server import HAS_GRADIO, served

from heygen_hf.tasks.demo.serving import serve_demo

needs_gradio = pytest.mark.skipif(not HAS_GRADIO, reason="gradio is not installed (extra demo)")


@pytest.mark.skipif(HAS_GRADIO, reason="gradio is installed")
def test_without_gradio_it_says_what_to_install(captioned_run) -> None:
    with pytest.raises(ImportError, match=r"gradio is needed for serving a demo .*: pip install 'heygen_hf\[demo\]'"):
        serve_demo(captioned_run)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (None, r"there is no run at nosuch; give the folder of one, or the model's name on the Hub as USER/NAME"),
        ({}, "is no run"),
        ({"base_pipeline.json": "{}"}, r"is a fine-tuning of .*: make its videos with heygen-hf generate"),
    ],
    ids=["nothing", "empty", "fine-tuning"],
)
def test_a_folder_without_a_page_is_told_of_before_anything_is_asked_for(
    files: dict[str, str] | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "gradio", None)  # not installed
    if files is not None:
        Path("nosuch").mkdir()
        for name, text in files.items():
            Path("nosuch", name).write_text(text)
    with pytest.raises(ValueError, match=said):
        serve_demo("nosuch")


@pytest.mark.slow
@needs_gradio
def test_told_to_end_it_leaves_no_files(captioned_run, tmp_path: Path) -> None:
    with served("-m", "heygen_hf", "demo", str(captioned_run), "--port", "0", "--device", "cpu", TMPDIR=str(tmp_path)):
        assert list(tmp_path.glob("demo-*"))
    assert not list(tmp_path.glob("demo-*"))  # `served` ends it by SIGTERM


@needs_gradio
def test_a_port_that_is_taken_is_one_line(captioned_run) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} of 127.0.0.1 cannot be used .*: give another with --port"):
            serve_demo(captioned_run, port=port)


@needs_gradio
def test_no_time_is_refused(captioned_run) -> None:
    with pytest.raises(ValueError, match="max_seconds is -1; expected a time above 0"):
        serve_demo(captioned_run, max_seconds=-1)


@pytest.mark.slow
@needs_gradio
def test_a_model_of_the_hub_and_none_of_its_code(captioned_run, tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[2] / "hub"))
    from loopback_hub import LoopbackHub, Repo

    with LoopbackHub() as hub:
        repo = hub.repos["someone/tiny"] = Repo()
        files = {p.relative_to(captioned_run).as_posix(): p.read_bytes() for p in captioned_run.rglob("*.*")}
        files["pipeline.py"] = b"raise SystemExit('the code of the repository ran')"
        files["README.md"] += b"\n## Samples\n\n1. a red 7 moves left\n"
        published = {name: data for name, data in files.items() if name not in ("recipe.yaml", "run.json")}
        repo.refs["main"] = repo.commit(published, "first")
        where = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
        with served("-m", "heygen_hf", "demo", "someone/tiny", "--port", "0", "--device", "cpu", **where) as url:
            said = urllib.request.urlopen(f"{url}/config").read().decode()
        assert f"{hub.url}/someone/tiny" in said  # the card's address
        assert "a red 7 moves left" in said
        assert json.loads(said)["title"] == "Tiny digits"
        assert not any("pipeline.py" in line for line in hub.requests)
