"""One process at a time writes the checkpoints of a run."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from heygen_hf.tasks.run_folder import RunFolder
from heygen_hf.training import VideoGenerationTrainer
from heygen_hf.training.checkpoints import lock
from heygen_hf.training.checkpoints.lock import has_writer, only_writer

pytest.importorskip("fcntl")
# Another process holds the lock as a trainer does, and not by way of this package: that takes long to import.
HOLD = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(); sys.stdin.read()"


@pytest.fixture
def held_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.0)
    holders = []

    def hold(folder: Path) -> subprocess.Popen:
        command = [sys.executable, "-S", "-c", HOLD, str(folder)]
        holders.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        holders[-1].stdout.readline()
        return holders[-1]

    yield hold
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_second_process_is_told_and_touches_nothing(
    tmp_path: Path, held_elsewhere, make_trainer: Callable[..., VideoGenerationTrainer]
) -> None:
    folder = RunFolder(tmp_path)
    staging = folder.checkpoints / ".staging"
    staging.mkdir(parents=True)
    folder.recipe.write_text("task: text_to_video")
    holder = held_elsewhere(folder.checkpoints)
    for options in ({"resume": True}, {"overwrite": True}, {}):
        with pytest.raises(ValueError, match="another process trains in"):
            folder.prepare(**{"resume": False, "overwrite": False, **options})
    with pytest.raises(ValueError, match="another process trains in"):
        make_trainer("checkpoints", max_steps=1, eval_strategy="no").train()
    assert staging.is_dir()
    holder.kill()
    holder.wait()
    folder.prepare(resume=False, overwrite=False)
    assert not staging.exists()


def test_a_refused_folder_stays_as_it_is(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for name in (".staging", ".replaced/checkpoint-2"):
        (folder.checkpoints / name).mkdir(parents=True)
    folder.recipe.write_text("task: text_to_video")
    with pytest.raises(ValueError, match="already holds a run"):
        folder.prepare(resume=False, overwrite=False)
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == [".replaced", ".staging"]
    folder.prepare(resume=True, overwrite=False)
    assert [path.name for path in folder.checkpoints.iterdir()] == ["checkpoint-2"]


def test_a_forked_worker_does_not_keep_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "_PATIENCE_SECONDS", 0.0)
    with only_writer(tmp_path):
        with pytest.raises(ValueError, match="another process"), only_writer(tmp_path):
            pass
        end_of_worker, ours = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(ours)
            os.read(end_of_worker, 1)  # until the test closes its end
            os._exit(0)
    monkeypatch.undo()  # it lets go a moment after the fork
    with only_writer(tmp_path):
        pass
    os.close(ours)
    os.waitpid(worker, 0)
    os.close(end_of_worker)


def test_where_there_is_no_folder_nothing_is_locked(tmp_path: Path) -> None:
    with only_writer(tmp_path / "nowhere"), only_writer(tmp_path / "nowhere"):
        assert not (tmp_path / "nowhere").exists()


def test_whether_a_folder_has_a_writer_can_be_asked(tmp_path: Path) -> None:
    assert has_writer(tmp_path) is False
    with only_writer(tmp_path):
        assert has_writer(tmp_path) is True
    assert has_writer(tmp_path) is False
    assert has_writer(tmp_path / "nothing") is None
