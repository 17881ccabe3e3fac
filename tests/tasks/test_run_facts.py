"""What a run was made with: the commit where one is known, and energy where something counts it."""

import subprocess
from pathlib import Path

import pytest

from heygen_hf.tasks.energy import GpuEnergy, energy_facts, millijoules_of
from heygen_hf.tasks.package_commit import _of_checkout
from heygen_hf.tasks.run_facts import RunMeter


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    return subprocess.run(
        ["git", "-C", folder, *name, *words], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    package = tmp_path / "src" / "package"
    package.mkdir(parents=True)
    git(tmp_path, "init", "-q")
    (package / "__init__.py").touch()
    (tmp_path / "notes.txt").touch()
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "all")
    return package


def test_a_checkout_knows_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert _of_checkout(checkout) == {"heygen_hf": commit, "modified": False}
    (checkout.parents[1] / "notes.txt").write_text("elsewhere")
    assert _of_checkout(checkout) == {"heygen_hf": commit, "modified": False}
    (checkout / "__init__.py").write_text("changed = True\n")
    assert _of_checkout(checkout) == {"heygen_hf": commit, "modified": True}


def test_a_package_inside_somebody_elses_repository_does_not_take_its_commit(checkout: Path) -> None:
    installed = checkout.parents[1] / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert _of_checkout(installed) is None


def test_no_repository_and_no_git_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _of_checkout(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _of_checkout(tmp_path) is None


def test_energy_is_known_of_all_gpus_or_unknown() -> None:
    assert energy_facts([]) is None
    assert energy_facts([3.6e6, -1.0]) is None
    one, two = energy_facts([3.6e6]), energy_facts([3.6e6, 1.8e6])
    assert one == {"kilowatt_hours": 1.0, "of": "the GPU alone, by the driver's count"}
    assert two == {"kilowatt_hours": 1.5, "of": "2 GPUs alone, by the driver's count"}


def test_a_gpu_that_is_not_there_counts_nothing() -> None:
    assert millijoules_of("GPU-00000000-0000-0000-0000-000000000000") is None
    joules = GpuEnergy().joules()
    assert joules is None or joules >= 0
    assert RunMeter().stop().seconds >= 0
