"""Running the command line as a user does, in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def heygen_hf_command(tmp_path: Path) -> Run:
    """`heygen_hf_command("train", "recipe.yaml")`, run in `tmp_path`; `environment` is laid over this one."""

    def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "heygen_hf", *arguments],
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80", **(environment or {})},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
