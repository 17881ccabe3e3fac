"""`heygen-hf data push` as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub


def push(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    environment |= {"NO_COLOR": "1", "HF_HOME": str(cwd / "home"), "HF_HUB_DISABLE_XET": "1", **variables}
    command = [sys.executable, "-m", "heygen_hf", "data", "push", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        (["none", "--repo-id", "someone/x", "--local-only"], {}, "there is no folder none"),
        (["clips", "--repo-id", "no name"], {}, "repo id 'no name' is no USER/NAME"),
        (["clips", "--repo-id", "someone/x"], {}, "there is no Hugging Face token"),
        (
            ["clips", "--repo-id", "someone/x"],
            {"HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"},
            "the Hub cannot be reached",
        ),
    ],
    ids=["no folder", "bad name", "no token", "no network"],
)
def test_bad_input_is_one_line(clips: Path, arguments: list[str], variables: dict[str, str], expected: str) -> None:
    found = push(*arguments, cwd=clips.parent, **variables)
    assert found.returncode == 2
    errors = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in found.stderr
    assert TOKEN not in found.stdout + found.stderr


@pytest.mark.slow
def test_a_folder_is_pushed(clips: Path, hub: LoopbackHub) -> None:
    arguments = ["clips", "--repo-id", "someone/clips", "--license", "cc0-1.0", "--tag", "v1", "--leave-out", "number"]
    found = push(*arguments, cwd=clips.parent, HF_TOKEN=TOKEN, HF_ENDPOINT=hub.url)
    assert found.returncode == 0, found.stderr
    assert "loads in 2 ways; every row compared, clips by hash" in found.stdout
    assert "v1" in hub.repos["datasets/someone/clips"].refs
    assert b"number" not in hub.files("datasets/someone/clips")["train/metadata.jsonl"]
