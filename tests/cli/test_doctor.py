"""The doctor: what is broken is found, named with the command that fixes it, and decides the exit code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heygen_hf.doctor import examine
from heygen_hf.doctor.machine import NO_DISK_BYTES, compiler, disk, hub_token, threads
from heygen_hf.doctor.software import core_packages, torchvision, video_codecs

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_this_machine_is_well(heygen_hf_command: Run) -> None:
    result = heygen_hf_command("doctor", "--json")
    assert result.returncode == 0, result.stdout
    report = json.loads(result.stdout)
    assert report["ok"]
    found = {finding["subject"]: finding for finding in report["findings"]}
    assert {"Python", "torch", "transformers", "PyAV codecs", "CPU", "Threads", "Disk"} <= set(found)
    assert "libx264" in found["PyAV codecs"]["found"]


def test_a_torchvision_that_does_not_load_is_broken(heygen_hf_command: Run, tmp_path: Path) -> None:
    (tmp_path / "path" / "torchvision").mkdir(parents=True)
    (tmp_path / "path" / "torchvision" / "__init__.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')\n"
    )
    result = heygen_hf_command("doctor", environment={"PYTHONPATH": str(tmp_path / "path")})
    assert result.returncode == 1
    assert "torchvision: pip uninstall -y torchvision" in result.stdout


def test_a_torchvision_that_loads_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert torchvision().state == "ok"


def test_versions_out_of_range_and_missing_packages_are_broken() -> None:
    requirements = ["pytest>=999", "no-such-package>=1,<2", "pytest>=1", 'wandb; extra == "wandb"']
    too_old, missing, fine = core_packages(requirements)
    assert (too_old.state, too_old.remedy) == ("broken", "pip install 'pytest>=999'")
    assert (missing.state, missing.found) == ("broken", "not installed")
    assert fine.state == "ok"


def test_one_thread_on_several_cores_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    finding = threads()
    assert finding.state == "note"
    assert "unset OMP_NUM_THREADS" in str(finding.remedy)


def test_a_full_disk_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert disk(tmp_path).state in ("ok", "note")
    usage = type("Usage", (), {"free": NO_DISK_BYTES - 1})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    assert disk(tmp_path).state == "broken"


def test_no_compiler_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert compiler().state == "note"


def test_the_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_a_real_token")
    assert hub_token().found == "present"
    assert all("hf_not_a_real_token" not in str(finding.to_dict()) for finding in examine())


def test_the_codecs_are_asked_of_pyav() -> None:
    finding = video_codecs()
    assert finding.state == "ok"
    assert "h264" in finding.found


def test_a_broken_pyav_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # makes `import av` fail
    assert video_codecs().state == "broken"
