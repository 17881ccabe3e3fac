"""`heygen-hf publish` as a user types it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback_hub import TOKEN, LoopbackHub


def publish(*arguments: str, cwd: Path, hub: LoopbackHub | None = None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    environment |= {"NO_COLOR": "1", "HF_HOME": str(cwd / "home"), "HF_HUB_DISABLE_XET": "1"}
    if hub is not None:
        environment |= {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}
    command = [sys.executable, "-m", "heygen_hf", "publish", *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["runs/none", "--repo-id", "someone/x", "--local-only"], "there is no folder runs/none"),
        (["tiny_digits", "--repo-id", "no name"], "repo id 'no name' is no USER/NAME"),
        (["tiny_digits", "--repo-id", "someone/x"], "there is no Hugging Face token"),
        (["tiny_digits", "--repo-id", "someone/x", "--create-pr", "--tag", "v1"], "leave out --tag, or --create-pr"),
    ],
)
def test_bad_input_is_one_line(run: Path, arguments: list[str], expected: str) -> None:
    found = publish(*arguments, cwd=run.parent)
    assert found.returncode == 2
    errors = [line for line in found.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert expected in errors[0]
    assert "Traceback" not in found.stderr


@pytest.mark.slow
def test_a_run_is_published(run: Path, hub: LoopbackHub) -> None:
    found = publish(str(run), "--repo-id", "someone/tiny-digits", "--private", "--tag", "v1", cwd=run.parent, hub=hub)
    assert found.returncode == 0, found.stderr
    assert "loads in 8 ways and makes what the reference holds" in found.stdout
    assert TOKEN not in found.stdout + found.stderr
    assert hub.repos["someone/tiny-digits"].private
    assert "v1" in hub.repos["someone/tiny-digits"].refs
