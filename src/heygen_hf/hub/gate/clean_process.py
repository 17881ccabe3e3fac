"""Loading a repository in a process of its own, with a cache of its own."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from heygen_hf.hub.gate import loading_program
from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.repo_folder import Exported
from heygen_hf.hub.repo_folder.exported import read_json_file

# Of this process's environment all goes on but what would change where and how things are loaded.
_LEFT_OUT = ("HF_", "HUGGINGFACE_", "TRANSFORMERS_", "DIFFUSERS_", "PYTHONSTARTUP", "PYTEST_")


@dataclass(frozen=True)
class LoadingWays:
    """Names of ways in `loading_program`: first those for which the package cannot be imported."""

    without: tuple[str, ...]
    with_package: tuple[str, ...]


def load_in_clean_process(
    exported: Exported,
    ways: LoadingWays,
    *,
    source: str | None = None,
    revision: str | None = None,
    endpoint: str | None = None,
    token: str | None = None,
    extra: Mapping[str, Any] | None = None,
    timeout_seconds: float = 3600,
) -> list[Check]:
    """Load in every way and compare with the reference in `exported.path`.

    Args:
        source: a repository's name, to load it from the Hub; by default the folder itself.
        revision: of that repository.
        endpoint, token: of that Hub; the token goes by the environment, never by a command line.
        extra: further values of the job.
    """
    with tempfile.TemporaryDirectory(prefix="gate-") as scratch:
        reference = exported.path / "reference.safetensors"
        values = exported.path / "reference.json"
        job = {
            "source": source or str(exported.path.resolve()),
            "revision": revision,
            "without": ways.without,
            "with": ways.with_package,
            "reference": str(reference.resolve()) if reference.is_file() else None,
            "reference_values": read_json_file(values) if values.is_file() else {},
            "report": f"{scratch}/report.json",
            **(extra or {}),
        }
        Path(scratch, "job.json").write_text(json.dumps(job), encoding="utf-8")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
        environment |= {
            "HF_HOME": f"{scratch}/cache",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        if source is None:
            environment["HF_HUB_OFFLINE"] = "1"
        else:
            environment["HF_ENDPOINT"] = endpoint or constants.ENDPOINT
            environment |= {"HF_TOKEN": token} if token else {}
            environment |= {name: os.environ[name] for name in ("HF_HUB_DISABLE_XET",) if name in os.environ}
        found = subprocess.run(
            [sys.executable, loading_program.__file__, f"{scratch}/job.json"],
            cwd=scratch,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        report = Path(scratch, "report.json")
        if not report.is_file():
            last = (found.stderr.strip().splitlines() or ["no message"])[-1]
            return [Check("loading in a clean process", f"the process ended with code {found.returncode}: {last}")]
        results = json.loads(report.read_text(encoding="utf-8"))
    return [Check(result["way"], result["problem"]) for result in results]
