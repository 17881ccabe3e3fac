"""The page in a real browser: it generates, plays, says how, refuses; and asks nobody else for anything."""

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from browser import CHROMIUM, Browser
from demo_server import HAS_GRADIO, served

from heygen_hf.data.video import decode_frames, probe_video
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
    """What the page says of the video, from the file it offers."""
    link = "document.querySelector('a[href$=\".json\"]')"
    return json.loads(browser.value(f"fetch({link}.href).then(answer => answer.text())"))


def shown_video(browser: Browser) -> bytes:
    text = browser.value(
        "fetch(document.querySelector('#video video').src).then(answer => answer.arrayBuffer())"
        ".then(data => btoa(String.fromCharCode(...new Uint8Array(data))))"
    )
    return base64.b64decode(text)


def assert_same_video(found: bytes, expected: Path) -> None:
    """Every frame as the encoder left it; the files themselves may order their packets differently."""
    count = probe_video(expected).num_frames
    assert probe_video(found).num_frames == count
    assert torch.equal(*(decode_frames(one, list(range(count))).frames for one in (found, expected)))


def test_a_prompt_becomes_the_video_of_generate(captioned_run, browser, tmp_path) -> None:
    [expected] = generate(captioned_run, ["a blue 1 moves up"], seed=7, output_dir=tmp_path, device="cpu")
    with served("-m", "heygen_hf", "demo", str(captioned_run), "--port", "0", "--device", "cpu") as url:
        browser.open(url)
        browser.type("#prompt textarea", "a blue 1 moves up")
        browser.type("#seed input", "7")
        browser.click("#generate")
        assert browser.wait(PLAYS) == pytest.approx(0.5)
        assert browser.value("document.querySelector('#video video').videoWidth") == 24
        browser.value("document.querySelector('#video video').play()")
        browser.wait("document.querySelector('#video video').currentTime > 0")
        shown = browser.value("document.querySelector('#settings').innerText")
        assert re.search(r'"seed"\s*:\s*7\b', shown)
        assert_same_video(shown_video(browser), expected)
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


def test_speech_is_in_the_video(talking_run, browser, tmp_path, given_files) -> None:
    [expected] = generate(
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
        assert_same_video(shown_video(browser), expected)
        browser.value("document.querySelector('#video video').play()")
        browser.wait("document.querySelector('#video video').webkitAudioDecodedByteCount > 0")
