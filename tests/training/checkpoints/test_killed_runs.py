"""Real runs through the command line, killed at random instants."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "resume.py"


@pytest.mark.slow
@pytest.mark.parametrize("case", ["plain", "accumulation", "streaming", "processes"])
def test_a_run_that_was_killed_ends_as_one_that_was_not(case: str) -> None:
    command = [sys.executable, str(BENCHMARK), "--kills", "2", "--cases", case]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
    figures = json.loads(run.stdout.splitlines()[-1])
    assert (figures["kills"], figures["identical"], figures["unreadable"]) == (2, True, 0), run.stdout
