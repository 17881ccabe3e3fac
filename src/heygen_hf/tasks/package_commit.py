"""Which commit of this package a run was made with."""

import json
import os
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any


def package_commit() -> dict[str, Any] | None:
    """`{"heygen_hf": commit, "modified": whether files differed from it}`; None where it is not known.

    It is known of a checkout, and of what pip installed from a repository.
    """
    return _of_checkout(Path(__file__).parents[1]) or _of_installation()


def _of_checkout(folder: Path) -> dict[str, Any] | None:
    # A virtual environment may lie in the repository of somebody's own project: that knows nothing of these files.
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    commit, changes = _git(folder, "rev-parse", "HEAD"), _git(folder, "status", "--porcelain", "--", ".")
    return {"heygen_hf": commit, "modified": changes != ""} if commit else None


def _of_installation() -> dict[str, Any] | None:
    try:
        text = distribution("heygen_hf").read_text("direct_url.json")
        commit = json.loads(text or "{}").get("vcs_info", {}).get("commit_id")
    except (PackageNotFoundError, ValueError, AttributeError):
        return None
    return {"heygen_hf": commit, "modified": False} if isinstance(commit, str) else None


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None where it says nothing, or is not there."""
    # It must not take the lock of a repository that somebody works in.
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # as hooks set them, of another repository
        environment.pop(name, None)
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=20, env=environment, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
