"""The page in a real browser: it generates, plays, says how, refuses; and asks nobody else for anything."""

import base64
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import CHROMIUM, Browser
from demo_server import HAS_GRADIO, served

from heygen_hf.data.video import probe_video
from heygen_hf.tasks.generation import generate

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not HAS_GRADIO, reason="gradio is not installed (extra demo)"),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

PLAYS = "document.querySelector('#video video').readyState >= 3 && document.querySelector('#video video').duration"


@pytest.fixture
def browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as running:
        yield running


def shown_settings(browser: Browser) -> dict:
    """What the page says of the video."""
    text = browser.value("document.querySelector('#settings').innerText")
    return json.loads(text[text.index("{") :])


def shown_video(browser: Browser) -> bytes:
    text = browser.value(
        "fetch(document.querySelector('#video video').src).then(answer => answer.arrayBuffer())"
        ".then(data => btoa(String.fromCharCode(...new Uint8Array(data))))"
    )
    return base64.b64decode(text)


def assert_shows(browser: Browser, written: list[torch.Tensor]) -> None:
    """The frames are those that `generate` hands to its encoder, and the file has as many."""
    frames = torch.cat(written)
    assert shown_settings(browser)["frames_sha256"] == hashlib.sha256(frames.numpy().tobytes()).hexdigest()
    shown = shown_video(browser)
    assert probe_video(shown).num_frames == len(frames)


def test_a_prompt_becomes_the_video_of_generate(captioned_run, browser, written, tmp_path) -> None:
    generate(captioned_run, ["a blue 1 moves up"], seed=7, output_dir=tmp_path, device="cpu")
    with served("-m", "heygen_hf", "demo", str(captioned_run), "--port", "0", "--device", "cpu") as url:
        browser.open(url)
        browser.type("#prompt textarea", "a blue 1 moves up")
        browser.type("#seed input", "7")
        browser.click("#generate")
        assert browser.wait(PLAYS) == pytest.approx(0.5)
        assert browser.value("document.querySelector('#video video').videoWidth") == 24
        browser.value("document.querySelector('#video video').play()")
        browser.wait("document.querySelector('#video video').currentTime > 0")
        settings = shown_settings(browser)
        assert (settings["seed"], settings["prompt"]) == (7, "a blue 1 moves up")
        assert_shows(browser, written)
        browser.value(
            "[...document.querySelectorAll('button')].find(one => one.innerText.includes('Model card')).click()"
        )
        browser.wait("document.body.innerText.includes('Some tiny digits.')")

        browser.type("#prompt textarea", "")
        browser.click("#generate")
        refused = browser.wait(
            "document.querySelector('#status.refused') && document.querySelector('#status').innerText"
        )
        assert refused.strip() == "the prompt is empty: say what the video shows."
        assert "Traceback" not in browser.value("document.body.innerText")
        assert browser.value("document.querySelector('#video video')") is None

        others = [address for address in browser.requests if not address.startswith((url, "data:", f"blob:{url}"))]
        assert others == []
        assert browser.complaints == []


def test_speech_is_in_the_video(talking_run, browser, given_files, written, tmp_path) -> None:
    generate(
        talking_run, [], seed=0, output_dir=tmp_path / "out", device="cpu",
        image=[given_files["image"]], audio=[given_files["audio"]],
    )  # fmt: skip
    with served("-m", "heygen_hf", "demo", str(talking_run), "--port", "0", "--device", "cpu") as url:
        browser.open(url)
        browser.upload("#image input[type=file]", Path(given_files["image"]))
        browser.upload("#audio input[type=file]", Path(given_files["audio"]))
        browser.wait("document.querySelector('#image img') && document.querySelector('#audio .waveform-container')")
        browser.click("#generate")
        browser.wait(PLAYS)
        settings = shown_settings(browser)
        assert (settings["image"], settings["audio"], settings["num_frames"]) == ("first.png", "said.wav", 8)
        assert_shows(browser, written)
        browser.value("document.querySelector('#video video').play()")
        browser.wait("document.querySelector('#video video').webkitAudioDecodedByteCount > 0")
