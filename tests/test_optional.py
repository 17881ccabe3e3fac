"""Optional dependencies: the error names the extra, and the table agrees with pyproject.toml."""

import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from heygen_hf import _optional
from heygen_hf._optional import OPTIONAL_DEPENDENCIES, is_available, require

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder on the import path, with three entries of the table that look there."""
    entries = {
        name: _optional.OptionalDependency(extra="toy", purpose="playing")
        for name in ("toy_present", "toy_broken", "toy_absent")
    }
    monkeypatch.setattr(_optional, "OPTIONAL_DEPENDENCIES", entries)
    monkeypatch.syspath_prepend(tmp_path)
    is_available.cache_clear()
    (tmp_path / "toy_present.py").write_text("answer = 42\n")
    (tmp_path / "toy_broken.py").write_text("raise OSError('libavutil.so.59: cannot open\\nmore lines')\n")
    yield tmp_path
    is_available.cache_clear()
    for name in entries:
        sys.modules.pop(name, None)


def test_what_is_there_is_returned(table: Path) -> None:
    assert require("toy_present").answer == 42
    assert is_available("toy_present")


def test_what_is_absent_names_the_extra(table: Path) -> None:
    with pytest.raises(ImportError, match=r"needed for playing: pip install 'heygen_hf\[toy\]'"):
        require("toy_absent")
    assert not is_available("toy_absent")


def test_what_is_installed_and_broken_says_why(table: Path) -> None:
    with pytest.raises(ImportError, match=r"and fails to import \(libavutil\.so\.59: cannot open\)"):
        require("toy_broken")
    assert not is_available("toy_broken")


def test_every_extra_of_the_table_installs_its_module(project: dict) -> None:
    for name, dependency in OPTIONAL_DEPENDENCIES.items():
        brought = [Requirement(entry).name for entry in project["optional-dependencies"][dependency.extra]]
        assert name in brought


def test_every_extra_is_in_the_table_or_for_developers(project: dict) -> None:
    extras = {dependency.extra for dependency in OPTIONAL_DEPENDENCIES.values()}
    assert set(project["optional-dependencies"]) == extras | {"test", "dev"}


def test_the_tested_versions_are_supported_ones(project: dict) -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert pins[0].name == "torch"
    versions = {pin.name.lower().replace("_", "-"): str(pin.specifier).removeprefix("==") for pin in pins}
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["augmentation"] + extras["test"]
    for requirement in map(Requirement, wanted):
        if requirement.name == "heygen_hf":  # its own extras
            continue
        version = versions[requirement.name.lower().replace("_", "-")]
        assert requirement.specifier.contains(version), requirement
    assert all("+" not in version for version in versions.values())
