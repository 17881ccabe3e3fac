"""Loading a repository in a process of its own, with a cache of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from heygen_hf.hub.card.privacy import scrub
from heygen_hf.hub.gate import loading_program
from heygen_hf.hub.gate.finding import Check
from heygen_hf.hub.repo_folder import Exported
from heygen_hf.hub.repo_folder.exported import read_json_file

# Of this process's environment all goes on but what would change where and how things are loaded, and secrets: what
# runs there is a repository's code.
_LEFT_OUT = ("HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_", "DIFFUSERS_", "PYTHONSTARTUP", "PYTEST_")
_SECRETS = re.compile(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|APIKEY|API_KEY|ACCESS_KEY|CREDENTIALS?)(_|$)")
_ISOLATED = Path(__file__).with_name("isolated_program.py")


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
    reference = exported.path / "reference.safetensors"
    values = exported.path / "reference.json"
    job = {
        "source": source or str(exported.path.resolve()),
        "revision": revision,
        "without": ways.without,
        "with": ways.with_package,
        "reference": str(reference.resolve()) if reference.is_file() else None,
        "reference_values": read_json_file(values) if values.is_file() else {},
        **(extra or {}),
    }
    return run_in_clean_process(
        Path(loading_program.__file__),
        job,
        is_on_hub=source is not None,
        endpoint=endpoint,
        token=token,
        timeout_seconds=timeout_seconds,
    )


def run_in_clean_process(
    program: Path,
    job: Mapping[str, Any],
    *,
    is_on_hub: bool,
    endpoint: str | None = None,
    token: str | None = None,
    timeout_seconds: float = 3600,
) -> list[Check]:
    """Run one of the gate's programs: it has an empty cache, nothing of this process, and no network but the Hub's.

    Args:
        program: a file with `ways_of(job)`, which gives a function of the name of a way (`kind:argument`, from the
            job's lists `without` and `with`) and whether the package is absent; it returns what is wrong, or None.
        is_on_hub: whether it may ask the Hub, with the token; else it is offline and has none.

    Returns:
        A check for each way that was tried; for a process that did not come to its end one more that says so.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gate-") as scratch:
        report = Path(scratch, "report.json")
        whole_job = {**job, "program": str(program), "report": str(report), "is_offline": not is_on_hub}
        Path(scratch, "job.json").write_text(json.dumps(whole_job), encoding="utf-8")
        with Path(scratch, "stderr").open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, str(_ISOLATED), f"{scratch}/job.json"],
                cwd=scratch,
                env=_environment(scratch, is_on_hub=is_on_hub, endpoint=endpoint, token=token),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
            try:
                code: int | None = process.wait(timeout_seconds)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                process.kill()
                process.wait()
        results = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else []
        checks = [Check(result["way"], result["problem"]) for result in results]
        if code != 0:
            said = Path(scratch, "stderr").read_text(encoding="utf-8", errors="replace")
            after = f" after {checks[-1].name!r}" if checks else ""
            why = f"{_end(code, time.monotonic() - started)}{after}"
            checks.append(Check("loading in a clean process", why + _last_words(said, scratch)))
    return checks


def _environment(scratch: str, *, is_on_hub: bool, endpoint: str | None, token: str | None) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_LEFT_OUT) and not _SECRETS.search(name.upper())
    }
    kept |= {
        "HF_HOME": f"{scratch}/cache",
        "HF_MODULES_CACHE": f"{scratch}/cache/modules",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
    if not is_on_hub:
        return kept | {"HF_HUB_OFFLINE": "1"}
    kept |= {"HF_ENDPOINT": endpoint or constants.ENDPOINT} | ({"HF_TOKEN": token} if token else {})
    return kept | {name: os.environ[name] for name in ("HF_HUB_DISABLE_XET",) if name in os.environ}


def _end(code: int | None, seconds: float) -> str:
    if code is None:
        return f"it did not end within {seconds:.0f} seconds and was stopped"
    if code == -signal.SIGKILL:
        return "it was killed, as systems do where memory runs out,"
    if code < 0:
        return f"it was ended by {signal.Signals(-code).name}"
    return f"it ended with code {code}"


def _last_words(said: str, scratch: str) -> str:
    """The last line that is no progress bar."""
    lines = [line.strip() for line in said.replace("\r", "\n").splitlines()]
    lines = [line for line in lines if line and "%|" not in line]
    return f": {scrub(lines[-1].replace(scratch, ''))[:300]}" if lines else ""
